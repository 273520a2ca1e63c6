"""Running real Kubernetes control planes as processes on this machine, and finding the programs to do it with.

    host → keeper → plan (pure) → cluster → supervisor     one keeper per cluster compares desired with observed
    cluster → commands, stages, objects (pure), keys, api  what is started, with which arguments, and what is put in it
    binaries → releases (pure), download, toolchain, build where kube-apiserver, etcd, KWOK, kubectl and helm come from

The API, the scheduling and every controller are real; nodes and containers are simulated by KWOK. It is a room of the
cluster side: it knows the link's second pair and nothing of ARM, and it never runs Helm.
"""

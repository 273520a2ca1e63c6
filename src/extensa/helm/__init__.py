"""Helm, on the cluster's side: look, name the state, choose one act, do it, look again.

    release  health  state  causes  errors      what is recorded, what is alive, what that amounts to (pure)
    values  chart  plan                         what is wanted, and the one next act (pure)
    look                                        reads records and live objects through a protocol
    driver  engine  actions                     the one door to Helm, a program or our engine, and one act each

It decides from what is observed, never from what was attempted, and knows nothing of the control plane.
"""

"""Being a guest in clusters: hear what should be, make it so with Helm, see what is, say so.

    loop                          one worker per extension, feeds and questions, clusters that come and go
    reconcile  questions          one generation pursued to its end; live answers
    clusters  watches  reporter   what is reachable, what has changed, what is to be told
    control  kube  memory         the control plane, a cluster's API, the agent's own folder

Level-triggered: an event is a hint, a look is the truth, and nothing is believed for having been attempted. It calls
out only; nothing dials it.
"""

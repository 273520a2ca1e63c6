"""What every room may lean on: clock, ids, errors, settings, log, merge, tasks, processes.

It is the ground floor, so it knows nothing of the domain: no ARM, no Kubernetes, no Helm.
"""

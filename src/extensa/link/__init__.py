"""The documents that control plane, host and agents exchange: three pairs, versioned, idempotent, pure.

    extension   Desired / Observed      control plane ⇄ agent
    cluster     Desired / Observed      control plane ⇄ host
    question    Question / Answer       control plane ⇄ agent or host

Both sides import this room and nothing else of each other. Unknown fields are ignored on reading, so that either side
may be the newer one. The carrier is HTTPS, agents call in, nothing dials a cluster (design §1).
"""

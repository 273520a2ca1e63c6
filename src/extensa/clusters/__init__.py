"""Which clusters exist, what they should be, and when each last spoke.

It is a room of its own because extensions, deployments and people all ask about clusters and none of them may care how
one is run: what a cluster should be goes out as a document of the link, what it is comes back as one. It runs no
cluster, dials none, and never speaks HTTP.
"""

"""Who is calling and what they may do: token issuer, service principals, role assignments, credentials of the link.

It is a room of its own because every other room must be able to take the caller for granted: the edge asks here once
per request and hands on a `Caller`. It knows no resource type, keeps no secret in the clear and speaks no HTTP.
"""

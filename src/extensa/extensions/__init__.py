"""The heart: what an extension is, which writes are allowed, what an agent is asked for, and what its reports settle.

It is a room of its own because one PUT becomes one Helm release *here*: everything below serves it and nothing below
knows it. Decisions are pure (``rules``, ``project``, ``settle``); ``service`` reads, lets them decide, and writes once.
It never runs Helm, never dials a cluster and never speaks HTTP.
"""

"""The HTTP front: one route table, one list of middleware with a small file each, one place that renders errors.

It turns bytes into an `extensa.arm.binding.Request` and an answer back into bytes, alike for every resource type. It
decides nothing about any of them, and never opens the store: rooms below are called through `port.py`.
"""

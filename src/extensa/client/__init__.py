"""Being a caller of the public API: the CLI's and the tests' way in, with nothing that a stranger could not do.

It sees the ARM front over the wire and never the rooms behind it.
"""

"""The `extensa` command: one file per noun, each loaded only when it is named.

It is a caller of the public API like any other (through ``client``), and it starts and stops the processes of this
machine. It decides nothing that the control plane should decide.
"""

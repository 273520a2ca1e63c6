"""How documents are kept: one port, and the databases behind it.

The store knows keys, types, etags, operations and feeds; it never looks inside a document. What a document means is
for the rooms above. ``port.py`` is what they see; ``sqlite.py`` is the default behind it.
"""

"""The programs: the only room that chooses what is real, and hands it to the others.

Each file reads from top to bottom and holds no logic of its own.
"""

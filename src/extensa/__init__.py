"""Extensa: Azure cluster extensions in the open.

Each folder below is a room with one job; ``docs/architecture.md`` draws them and says who may import whom.
This file stays empty of code, so that importing one room never loads another.
"""

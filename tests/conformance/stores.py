"""The databases that sit the exam: how each is made empty, and how a store on one is opened from its address."""

from pathlib import Path

from extensa.store.port import Store
from extensa.store.sqlite import open_store

KINDS = ("sqlite",)


def new_address(kind: str, folder: Path) -> str:
    """Return the address of an empty database of ``kind`` that may use ``folder``."""
    assert kind in KINDS
    return f"{kind}:{folder / 'store.sqlite3'}"


async def open_address(address: str) -> Store:
    """Return a store on the database at ``address``; any number may be open at once."""
    kind, _, rest = address.partition(":")
    assert kind == "sqlite"
    return await open_store(Path(rest))

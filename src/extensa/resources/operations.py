"""Operation records for whoever polls them, held until they end.

Every room writes its operations with its resources; reading them is the same for all, so it is here once.
"""

import asyncio

import msgspec

from extensa.arm.operations import Operation
from extensa.store.port import Store


class Operations:
    """The operation records of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, operation_id: str, wait: float) -> Operation | None:
        """Return the record as soon as it has ended, at the latest after ``wait`` seconds as it is then.

        None, at once, for an id that was never given or is forgotten. Raises `StoreUnavailable`.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        with self._store.topic_changed(f"operation:{operation_id}") as ear:
            while True:
                row = await self._store.operation(operation_id)
                if row is None:
                    return None
                left = until - loop.time()
                if row.ended is not None or left <= 0:
                    return msgspec.json.decode(row.body, type=Operation)
                await ear.wait(left)

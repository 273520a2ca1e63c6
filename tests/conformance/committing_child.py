"""A process that commits as fast as it can and names every commit on standard output once it is acknowledged.

Started by ``test_store_durability.py``, which kills it in the middle. Each commit ``N`` writes a document, an operation
and a feed row together.
"""

import asyncio
import os
import sys

from conformance.stores import open_address
from extensa.store.port import Expect, PutFeed, PutOperation, PutResource

WRITERS = 16


async def main(address: str) -> None:
    """Commit until killed."""
    store = await open_address(address)
    first = await store.count()

    async def write(writer: int) -> None:
        for turn in range(1_000_000):
            name = f"{first}-{writer}-{turn}"
            body = name.encode() * 50
            await store.commit(
                [
                    PutResource(f"/{name}", "t", body, Expect.ABSENT),
                    PutOperation(name, f"/{name}", body),
                    PutFeed("l", name, body),
                ]
            )
            os.write(1, f"{name}\n".encode())

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))


asyncio.run(main(sys.argv[1]))

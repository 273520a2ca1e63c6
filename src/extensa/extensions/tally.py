"""How many extensions there are of each provisioning state and health: the numbers behind one metric.

They are counted by the database, whole, so that no number kept beside the records can part from them; and at most every
few seconds, for every record is read. Nothing of a single extension comes out.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from extensa.base.clock import Clock
from extensa.extensions.records import ROW_TYPE
from extensa.store.port import Store

TALLY_SAYS = "Extensions there are, by provisioningState and by how their objects fare."
UNKNOWN = "Unknown"
_EVERY = timedelta(seconds=10)


class Tally:
    """The one who counts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Nothing is counted yet."""
        self._store = store
        self._clock = clock
        self._found: Mapping[tuple[str, ...], float] = {}
        self._at: datetime | None = None

    async def read(self) -> Mapping[tuple[str, ...], float]:
        """Return the number of extensions for each (provisioningState, health) that there is."""
        now = self._clock()
        if self._at is None or not self._at <= now < self._at + _EVERY:
            counted = await self._store.tally(type=ROW_TYPE, fields=("state", "observed.health"))
            self._found = {(state, health or UNKNOWN): number for (state, health), number in counted.items()}
            self._at = now
        return self._found

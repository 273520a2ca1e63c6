"""When each host and agent last spoke: known to the second in memory, to the minute after a restart.

Everyone who serves a call of the link says so here, so hearing must cost nothing: it is a dictionary write, and `keep`
writes down what is worth it, now and then. A host's Kubernetes versions ride along.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from extensa.clusters.model import HEARTBEAT_TYPE, Heartbeat
from extensa.store.port import Expect, PutResource, Store

COARSE = timedelta(minutes=1)
"""How old what is kept may grow."""
_MOST = 100_000


class Heartbeats:
    """Who spoke when."""

    def __init__(self, kept: Sequence[Heartbeat] = ()) -> None:
        self._known = {each.name: each for each in kept}
        self._kept = dict(self._known)

    @classmethod
    async def read(cls, store: Store) -> "Heartbeats":
        """Return what the store remembers."""
        rows = await store.list(type=HEARTBEAT_TYPE, limit=_MOST)
        return cls([msgspec.json.decode(row.body, type=Heartbeat) for row in rows])

    def heard(self, name: str, now: datetime) -> None:
        """Remember that ``name`` speaks now."""
        self._known[name] = Heartbeat(name=name, last_seen=now, kubernetes_versions=self.versions(name))

    def last(self, name: str) -> datetime | None:
        """Return when ``name`` last spoke, or None when it never did."""
        known = self._known.get(name)
        return known.last_seen if known else None

    def names(self) -> Sequence[str]:
        """Return everyone who ever spoke."""
        return list(self._known)

    def versions(self, host: str) -> list[str]:
        """Return the Kubernetes versions that ``host`` has, newest last; none while it has not said."""
        known = self._known.get(host)
        return known.kubernetes_versions if known else []

    def has(self, host: str, versions: Sequence[str], now: datetime) -> None:
        """Remember which Kubernetes versions ``host`` has."""
        self._known[host] = Heartbeat(name=host, last_seen=now, kubernetes_versions=list(versions))

    async def keep(self, store: Store) -> None:
        """Write down what changed enough to be kept; what could not be written is due again. Raises as the store."""
        due = self._due()
        if due:
            await store.commit(
                [PutResource(h.key, HEARTBEAT_TYPE, msgspec.json.encode(h), Expect.ANYTHING) for h in due]
            )
            self._kept.update({each.name: each for each in due})

    def _due(self) -> Sequence[Heartbeat]:
        found = []
        for name, known in self._known.items():
            kept = self._kept.get(name)
            if (
                kept is None
                or known.last_seen - kept.last_seen >= COARSE
                or known.kubernetes_versions != kept.kubernetes_versions
            ):
                found.append(known)
        return found

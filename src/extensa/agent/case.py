"""One extension's case file: what should be, what was seen last, and what may have changed since.

Hints come from watches, from the control plane and from the clock; the case collects them until its worker looks. It
holds no decision and does no I/O.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from extensa.agent.ledger import Ledger
from extensa.agent.memory import Remembered
from extensa.agent.watches import RECORDS, Topic
from extensa.helm.causes import Finding
from extensa.helm.health import Level, settles
from extensa.helm.release import ObjectRef
from extensa.helm.state import Sighting
from extensa.link.extension import DesiredExtension, DriftMode


@dataclass(slots=True)
class Changed:
    """What may have changed: everything, Helm's records of the release, or single objects."""

    everything: bool = False
    records: bool = False
    objects: set[ObjectRef] = field(default_factory=set)


class Hints:
    """What may have changed since the last look."""

    def __init__(self) -> None:
        """At first everything may have."""
        self._changed = Changed(everything=True)
        self._event = asyncio.Event()

    def wake(self, ref: ObjectRef | None) -> None:
        """Note that an object, or with None anything at all, may have changed."""
        if ref is None:
            self._changed.everything = True
        elif (ref.api_version, ref.kind) == (RECORDS.api_version, RECORDS.kind):
            self._changed.records = True
        else:
            self._changed.objects.add(ref)
        self._event.set()

    def stir(self) -> None:
        """End a wait without saying that anything has changed in the cluster."""
        self._event.set()

    def take(self) -> Changed:
        """Return what may have changed, and forget it here."""
        changed, self._changed = self._changed, Changed()
        self._event.clear()
        return changed

    async def wait(self, seconds: float) -> bool:
        """Return True as soon as there is a hint, False after ``seconds`` without."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):  # wait_for may swallow a cancellation (3.11)
                await self._event.wait()
        except TimeoutError:
            return False
        return True


@dataclass(slots=True)
class Case:
    """The case file. ``kept`` is replaced as a whole when something newer is wanted."""

    kept: Remembered
    say: Callable[[str, Finding | None], None]
    """Called with how far the work is, in words, and what seems to hold it up."""
    overtaken: Callable[[int], None] = lambda _generation: None
    """Called when the release was made for a later generation than the one that is wanted."""
    hints: Hints = field(default_factory=Hints)
    newer: asyncio.Event = field(default_factory=asyncio.Event)
    sighting: Sighting | None = None
    followed: frozenset[tuple[Topic, str, str]] = frozenset()
    drift: Ledger = field(default_factory=Ledger)

    @property
    def desired(self) -> DesiredExtension:
        """What should be, as last heard."""
        return self.kept.desired

    @property
    def key(self) -> str:
        """By what this extension is known for as long as the agent runs."""
        return case_key(self.desired)

    def topics(self) -> frozenset[tuple[Topic, str, str]]:
        """Return what is worth following: Helm's records of the release, and its objects; where drift is no matter,
        only those that take time to settle, and others for as long as something is expected of them.
        """
        found = {(RECORDS, self.desired.namespace, self.desired.release)}
        whole = self.desired.drift_policy.mode is not DriftMode.OFF
        for seen in self.sighting.objects if self.sighting is not None else ():
            slow = settles(seen.ref.api_version, seen.ref.kind) or seen.health.level is Level.IN_PROGRESS
            if whole or slow:
                found.add((Topic(seen.ref.api_version, seen.ref.kind), seen.ref.namespace, seen.ref.name))
        return frozenset(found)

    def listed(self, ref: ObjectRef, editions: frozenset[str]) -> None:
        """Note that an object, or the release's records, may have changed if these editions are not what was seen."""
        if self.sighting is None:
            return
        if (ref.api_version, ref.kind) == (RECORDS.api_version, RECORDS.kind):
            known = {revision.edition for revision in self.sighting.revisions}
        else:
            known = {seen.edition for seen in self.sighting.objects if seen.ref == ref and seen.edition}
        if known != editions:
            self.hints.wake(ref)

    def start_over(self) -> None:
        """Believe nothing that was seen: the cluster is reached another way now."""
        self.sighting, self.followed = None, frozenset()
        self.hints.wake(None)


def case_key(desired: DesiredExtension) -> str:
    """Return by what an extension is known: its resource id without regard to case. A uid is one incarnation of it."""
    return desired.resource_id.lower()

"""Whatever the order of writes, stale reports, silence and restarts: one active operation, each ended once, and no
outcome that was not seen.
"""

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from extensa.arm.operations import Operation
from extensa.base.errors import Conflict, NotFound
from extensa.extensions import records
from extensa.extensions.model import Extension, State
from extensa.extensions.project import project
from extensa.link.extension import DesiredExtension, ExtensionReports, Phase, Presence
from extensa.store.port import DeleteFeed, OperationRow
from unit.extensions.extension_facts import AGENT, House, body, health, house, observed

T = TypeVar("T")
NAMES = st.sampled_from(["one", "two"])
SETTINGS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
SECRETS = st.none() | st.dictionaries(st.sampled_from("pq"), st.sampled_from(["", "secret-1", "secret-2"]), max_size=2)


class Life(RuleBasedStateMachine):
    """A house, people who write, an agent that may say anything about anything it was ever told, and time."""

    told = Bundle("told")

    @initialize()
    def open(self) -> None:
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory()
        self.home: House = self.run(house(Path(self._folder.name)))
        self.seconds = 0
        self.ready: set[tuple[str, int]] = set()
        self.gone: set[tuple[str, int]] = set()
        self.forced: set[str] = set()
        self.operations: set[str] = set()
        self.ended: dict[str, OperationRow] = {}
        self.generations: dict[str, int] = {}
        self.known: dict[str, Extension] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _write(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            answer = await work
        except (Conflict, NotFound):
            return
        if answer.operation is not None:
            self.operations.add(answer.operation.id)

    @rule(name=NAMES, wanted=SETTINGS, secret=SECRETS)
    def put(self, name: str, wanted: dict[str, str], secret: dict[str, str] | None) -> None:
        given = body(configurationSettings=wanted, configurationProtectedSettings=secret)
        self.run(self._write(self.home.put(given, name)))

    @rule(name=NAMES, wanted=SETTINGS)
    def patch(self, name: str, wanted: dict[str, str]) -> None:
        self.run(self._write(self.home.patch({"properties": {"configurationSettings": wanted}}, name)))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.run(self._write(self.home.delete(name)))

    @rule(name=NAMES)
    def force(self, name: str) -> None:
        self.forced |= {uid for uid, found in self.known.items() if found.name == name}
        self.run(self._write(self.home.delete(name, query={"forcedelete": "true"})))

    @rule()
    def lose_the_feed(self) -> None:
        """Only what a record stands for can be written again: an orphan's wish is its own record."""
        for found in self._extensions():
            self.run(self.home.store.commit([DeleteFeed(records.lane(AGENT), found.key)]))
        self.run(self.home.extensions.sweep())

    @rule(target=told, name=NAMES)
    def poll(self, name: str) -> Any:
        feed = self.run(self.home.store.feed(records.lane(AGENT), after=0, limit=100))
        found = [records.at_rest_of(row.body).desired for row in feed]
        return next((d for d in found if d.release == name), None)

    @rule(about=told, phase=st.sampled_from(Phase), behind=st.integers(0, 3), drift=st.sampled_from([0, 0, -1, 1]))
    def report(self, about: DesiredExtension | None, phase: Phase, behind: int, drift: int) -> None:
        if about is None:
            return
        self.seconds += 1
        generation = about.generation + drift
        if phase is Phase.READY:
            self.ready.add((about.uid, generation))
        if phase is Phase.GONE:
            self.gone.add((about.uid, generation))
        seen = observed(
            phase,
            uid=about.uid,
            generation=generation,
            seconds=self.seconds - behind,
            objects=[health("a", "Current" if phase is Phase.READY else "InProgress")],
        )
        before = {e.uid: e.generation for e in self._extensions()}
        self.run(self.home.extensions.observe(AGENT, ExtensionReports(observed=[seen])))
        for found in self._extensions():
            if found.generation > before[found.uid] and (found.uid, before[found.uid]) in self.ready:
                self.ready.add((found.uid, found.generation))  # the same wishes, given out anew past the agent's memory

    @rule(seconds=st.sampled_from([1, 400, 1000]))
    def pass_time(self, seconds: int) -> None:
        self.home.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        self.run(self.home.extensions.sweep())

    @rule()
    def restart(self) -> None:
        now = self.home.now
        self.run(self.home.store.close())
        self.home = self.run(house(Path(self._folder.name)))
        self.home.now = now

    @invariant()
    def each_operation_ends_once_and_is_named_while_it_runs(self) -> None:
        extensions = self._extensions()
        running = {e.operation for e in extensions if e.operation is not None}
        for operation_id in self.operations:
            row = self.run(self.home.store.operation(operation_id))
            assert row is not None
            operation = msgspec.json.decode(row.body, type=Operation)
            assert operation.terminal is (row.ended is not None)
            assert operation.terminal is (operation_id not in running), operation
            if operation_id in self.ended:
                assert self.ended[operation_id] == row
            elif operation.terminal:
                self.ended[operation_id] = row
        opened = self.run(self.home.store.open_operations(limit=100))
        assert running == {row.id for row in opened}
        assert len({row.resource_key for row in opened}) == len(opened)

    @invariant()
    def an_outcome_was_seen(self) -> None:
        extensions = {e.uid: e for e in self._extensions()}
        for found in extensions.values():
            if found.state is State.SUCCEEDED:
                assert (found.uid, found.generation) in self.ready
            assert (found.operation is None) is (found.state in (State.SUCCEEDED, State.FAILED))
            assert self.generations.get(found.uid, 0) <= found.generation
            self.generations[found.uid] = found.generation
        for uid in self.known.keys() - extensions.keys():
            last = self.known[uid]
            assert uid in self.forced or (uid, last.generation) in self.gone
            assert uid in self.forced or last.presence is Presence.ABSENT
        self.known = extensions

    @invariant()
    def the_feed_holds_what_is_wanted_and_nothing_else(self) -> None:
        feed = self.run(self.home.store.feed(records.lane(AGENT), after=0, limit=100))
        orphans = self.run(self.home.store.list(type=records.ORPHAN_TYPE, limit=100))
        wanted = {e.key: project(e) for e in self._extensions()}
        left = {e.key: project(e) for e in (records.extension_of(row.body) for row in orphans)}
        assert not wanted.keys() & left.keys(), "one wish per id"
        assert wanted | left == {row.key: records.at_rest_of(row.body) for row in feed}

    @invariant()
    def no_secret_lies_open(self) -> None:
        rows = self.run(self.home.store.list(limit=1000))
        assert not any(b"secret-" in row.body for row in rows)

    def teardown(self) -> None:
        if not hasattr(self, "home"):
            return
        self.home.now += timedelta(hours=49)
        self.run(self.home.extensions.sweep())
        assert [] == list(self.run(self.home.store.open_operations(limit=10))), "time ends every operation"
        self.run(self.home.store.close())
        self._runner.close()
        self._folder.cleanup()

    def _extensions(self) -> list[Extension]:
        rows = self.run(self.home.store.list(type=records.ROW_TYPE, limit=100))
        return [records.extension_of(row.body) for row in rows]


Life.TestCase.settings = hypothesis_settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase

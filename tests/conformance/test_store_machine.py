"""Any sequence of commits, lists and restarts gives what a few dictionaries would: a state machine against a model."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from conformance.stores import KINDS, new_address, open_address
from extensa.store.port import (
    DeleteFeed,
    DeleteResource,
    Expect,
    PutFeed,
    PutOperation,
    PutResource,
    Require,
    StaleWrite,
    Store,
    Write,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = st.sampled_from(["a", "a%", "a%b", "a_", "a\\", "aa", "b", "b\uffff", "\U0010ffff", "\U0010ffffa"])
TYPES = st.sampled_from(["t", "u"])
BODIES = st.binary(max_size=8)
EXPECTS = st.sampled_from(["fits"] * 6 + ["anything"] * 3 + ["absent", "wrong"])
MOMENTS = st.one_of(st.none(), st.integers(0, 9).map(lambda n: EPOCH + timedelta(microseconds=n)))
NAMES = st.sampled_from(["x", "y", "z"])
WRITES = st.one_of(
    st.tuples(st.just("put"), KEYS, TYPES, BODIES, EXPECTS),
    st.tuples(st.just("delete"), KEYS, EXPECTS),
    st.tuples(st.just("require"), KEYS, EXPECTS),
    st.tuples(st.just("operation"), NAMES, KEYS, BODIES, MOMENTS),
    st.tuples(st.just("feed"), NAMES, KEYS, BODIES),
    st.tuples(st.just("unfeed"), NAMES, KEYS),
)


@dataclass
class Model:
    """What should be kept. Feeds are dictionaries in the order of their last write."""

    resources: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    operations: dict[str, tuple[str, bytes, datetime | None]] = field(default_factory=dict)
    feeds: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def copy(self) -> "Model":
        feeds = {lane: dict(rows) for lane, rows in self.feeds.items()}
        return Model(dict(self.resources), dict(self.operations), feeds)

    def expects(self, key: str, expect: str) -> bool:
        """Whether a guard holds for this key now."""
        present = key in self.resources
        return {"fits": True, "wrong": False, "absent": not present, "anything": True}[expect]


class StoreMachine(RuleBasedStateMachine):
    """The store beside its model."""

    kind = KINDS[0]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model = Model()
        self.etags: dict[str, str] = {}
        self.store: Store

    @initialize(drafts=st.lists(WRITES, min_size=10, max_size=30))
    def begin(self, drafts: list[tuple[object, ...]]) -> None:
        self.address = new_address(self.kind, Path(self.folder.name))
        self.store = self.runner.run(open_address(self.address))
        for draft in drafts:
            self.commit([draft])

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    @rule(drafts=st.lists(WRITES, min_size=1, max_size=6))
    def commit(self, drafts: list[tuple[object, ...]]) -> None:
        after, holds, writes = self.model.copy(), True, []
        seen: set[str] = set()
        for draft in drafts:
            if draft[0] in ("put", "delete", "require") and str(draft[1]) in seen:
                continue  # an etag made inside the commit cannot be named by it
            seen.add(str(draft[1]))
            write, held = self._apply(after, draft)
            writes.append(write)
            holds = holds and held
        try:
            etags = self.runner.run(self.store.commit(writes))
        except StaleWrite:
            assert not holds
            return
        assert holds
        self.model = after
        self.etags |= etags
        assert {write.key for write in writes if isinstance(write, PutResource)} == set(etags)

    def _apply(self, model: Model, draft: tuple[object, ...]) -> tuple[Write, bool]:
        match draft:
            case ("put", str(key), str(type), bytes(body), str(expect)):
                held = model.expects(key, expect)
                model.resources[key] = (type, body)
                return PutResource(key, type, body, self._expect(key, expect)), held
            case ("delete", str(key), str(expect)):
                held = model.expects(key, expect)
                model.resources.pop(key, None)
                return DeleteResource(key, self._expect(key, expect)), held
            case ("require", str(key), str(expect)):
                return Require(key, self._expect(key, expect)), model.expects(key, expect)
            case ("operation", str(name), str(key), bytes(body), ended):
                assert ended is None or isinstance(ended, datetime)
                model.operations[name] = (key, body, ended)
                return PutOperation(name, key, body, ended), True
            case ("feed", str(lane), str(key), bytes(body)):
                rows = model.feeds.setdefault(lane, {})
                rows.pop(key, None)
                rows[key] = body
                return PutFeed(lane, key, body), True
            case ("unfeed", str(lane), str(key)):
                model.feeds.get(lane, {}).pop(key, None)
                return DeleteFeed(lane, key), True
        raise AssertionError(draft)

    def _expect(self, key: str, expect: str) -> str | Expect:
        if expect == "fits" and key in self.model.resources:
            return self.etags[key]
        named: dict[str, str | Expect] = {"wrong": "wrong", "anything": Expect.ANYTHING}
        return named.get(expect, Expect.ABSENT)

    @rule(ended_before=st.integers(0, 9).map(lambda n: EPOCH + timedelta(microseconds=n)))
    def forget(self, ended_before: datetime) -> None:
        old = [name for name, (_, _, end) in self.model.operations.items() if end is not None and end < ended_before]
        assert len(old) == self.runner.run(self.store.forget_operations(ended_before=ended_before))
        for name in old:
            del self.model.operations[name]

    @rule()
    def restart(self) -> None:
        self.runner.run(self.store.close())
        self.store = self.runner.run(open_address(self.address))

    @rule(prefix=st.one_of(st.just(""), KEYS), after=st.one_of(st.none(), KEYS))
    def list_pages(self, prefix: str, after: str | None) -> None:
        for narrowed in (None, "t"):
            expected = sorted(
                key
                for key, (kind, _) in self.model.resources.items()
                if key.startswith(prefix) and narrowed in (None, kind) and (after is None or key > after)
            )
            found = self.runner.run(self.store.list(prefix=prefix, type=narrowed, after=after, limit=3))
            assert expected[:3] == [row.key for row in found]
            if after is None:
                assert len(expected) == self.runner.run(self.store.count(prefix=prefix, type=narrowed))

    @rule(lane=NAMES, place=st.integers(0, 4))
    def follow(self, lane: str, place: int) -> None:
        rows = self.runner.run(self.store.feed(lane, after=0, limit=1000))
        if place < len(rows):
            assert rows[place] == self.runner.run(self.store.feed_row(lane, rows[place].key))
            after = rows[place].sequence
            assert rows[place + 1 :][:2] == self.runner.run(self.store.feed(lane, after=after, limit=2))

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        if not hasattr(self, "store"):
            return
        everything = self.runner.run(self.store.list(limit=1000))
        for place, row in enumerate(everything, start=1):
            assert everything[place:][:2] == self.runner.run(self.store.list(after=row.key, limit=2))
            assert self.model.resources[row.key] == (row.type, row.body)
            assert self.etags[row.key] == row.etag
        assert len(self.model.resources) == self.runner.run(self.store.count())
        for name in ("x", "y", "z"):
            found = self.runner.run(self.store.operation(name))
            kept = None if found is None else (found.resource_key, found.body, found.ended)
            assert self.model.operations.get(name) == kept
            rows = self.runner.run(self.store.feed(name, after=0, limit=1000))
            assert list(self.model.feeds.get(name, {}).items()) == [(row.key, row.body) for row in rows]
            assert sorted(row.sequence for row in rows) == [row.sequence for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_any_sequence_agrees_with_the_model(kind: str) -> None:
    class Machine(StoreMachine):
        pass

    Machine.kind = kind
    chosen = settings(max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Machine, settings=chosen)

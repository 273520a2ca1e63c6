"""Any order of writes, commands, reports and deadlines: the record stays sound and there is always a way out."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from extensa.arm.operations import Operation
from extensa.extensions import commands
from extensa.extensions.decision import Accepted, Denied, Facts, Recalled, Removal, Unchanged
from extensa.extensions.draft import Draft
from extensa.extensions.model import Extension, State
from extensa.extensions.policies import PolicyWishes
from extensa.extensions.project import AtRest, project
from extensa.extensions.rules import decide_delete, decide_patch, decide_put
from extensa.extensions.settle import LONGEST, Settled, expire, settle
from extensa.link.extension import DriftMode, Phase, Presence, Remedy
from unit.extensions.extension_facts import NOW, cluster, facts, observed

BUSY = (State.CREATING, State.UPDATING, State.DELETING)
_DRAFTS = st.builds(
    Draft,
    extension_type=st.just("extensa.hello"),
    settings=st.none() | st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2),
    version=st.none() | st.sampled_from(["1.0.0", "1.1.0"]),
    policies=st.builds(
        PolicyWishes,
        retries=st.none() | st.integers(0, 3),
        timeout=st.none() | st.integers(10, 600),
        drift_mode=st.none() | st.sampled_from(list(DriftMode)),
    ),
)


class Life(RuleBasedStateMachine):
    """One extension, from nothing to nothing, as often as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOW
        self.number = 0
        self.extension: Extension | None = None
        self.operations: dict[str, Operation] = {}
        self.kept: dict[int, Recalled] = {}
        self.asked: dict[tuple[str, int], AtRest] = {}

    def facts(self, **more: Any) -> Facts:
        self.number += 1
        self.now += timedelta(seconds=1)
        running = None if self.extension is None else self.operations.get(self.extension.operation or "")
        fresh = {"fresh_uid": f"uid-{self.number}", "fresh_operation": f"operation-{self.number}"}
        return facts(self.extension, operation=running, now=self.now, **fresh, **more)

    def there(self) -> bool:
        return self.extension is not None

    def carry_out(self, decision: Any) -> None:
        before = self.extension
        if isinstance(decision, Denied):
            assert decision.problems
            assert all(each.next_step or each.target for each in decision.problems)
            return
        if isinstance(decision, Unchanged):
            assert (before, self.operations.get((before and before.operation) or "")) == (
                decision.extension,
                decision.operation,
            )
            return
        if not isinstance(decision, Accepted):
            return
        made = decision.extension
        if before is not None and not decision.created:
            assert made.generation == before.generation + 1
            assert made.revision == before.revision + bool(decision.reason)
        for operation in (decision.superseded, decision.operation):
            if operation is not None:
                self.operations[operation.id] = operation
        if decision.created:
            self.kept.clear()
        if decision.reason:
            self.kept[made.revision] = Recalled(
                made.revision, made.version, made.chart, made.release_train, dict(made.settings), made.protected
            )
        self.extension = made

    def settle(self, outcome: Settled | None) -> None:
        if outcome is None:
            return
        if outcome.operation is not None:
            self.operations[outcome.operation.id] = outcome.operation
        assert self.extension is not None
        held = self.extension.hold
        assert outcome.extension is None or not held or outcome.extension.state is self.extension.state
        self.extension = outcome.extension

    @rule(draft=_DRAFTS)
    def put(self, draft: Draft) -> None:
        self.carry_out(decide_put(draft, self.facts()))

    @rule(draft=_DRAFTS)
    def patch(self, draft: Draft) -> None:
        self.carry_out(decide_patch(draft, self.facts()))

    @rule(command=st.sampled_from(["cancel", "retry", "pause", "resume"]))
    def command(self, command: str) -> None:
        self.carry_out(getattr(commands, f"decide_{command}")(self.facts()))

    @rule(revision=st.integers(1, 6))
    def rollback(self, revision: int) -> None:
        recalled = self.kept.get(revision) if self.extension is not None else None
        given = self.facts(recalled=recalled, revisions=tuple(self.kept))
        self.carry_out(commands.decide_rollback(Draft(revision=revision), given))

    @rule(crds=st.booleans(), finalizers=st.booleans())
    def delete(self, crds: bool, finalizers: bool) -> None:
        self.carry_out(decide_delete(self.facts(), flags=Removal(False, crds, finalizers)))

    @precondition(lambda self: self.extension is not None)
    @rule(phase=st.sampled_from(list(Phase)), late=st.integers(0, 1), remedied=st.booleans())
    def report(self, phase: Phase, late: int, remedied: bool) -> None:
        assert self.extension is not None
        self.now += timedelta(seconds=1)
        at = {"uid": self.extension.uid, "generation": self.extension.generation - late, "observed_at": self.now}
        remedy = Remedy(step="rollback", revision=1) if remedied and phase is Phase.FAILED else None
        running = self.operations.get(self.extension.operation or "")
        seen: dict[str, Any] = {**at, "remedy": remedy}
        self.settle(settle(self.extension, running, observed(phase, **seen), self.now))

    @precondition(lambda self: self.extension is not None and self.extension.operation is not None)
    @rule()
    def nobody_answers(self) -> None:
        assert self.extension is not None
        self.now += LONGEST + timedelta(seconds=1)
        running = self.operations[self.extension.operation or ""]
        self.settle(expire(self.extension, running, cluster(), self.now))

    @invariant()
    def the_record_is_sound(self) -> None:
        found = self.extension
        open_ones = {each.id for each in self.operations.values() if not each.terminal}
        assert open_ones == {found.operation} - {None} if found is not None else not open_ones
        if found is None:
            return
        assert (found.operation is not None) is (found.state in BUSY)
        assert found.hold is (found.paused or found.state is State.CANCELED)
        assert not (found.hold and found.operation)
        if found.presence is Presence.ABSENT and not found.hold:
            assert found.state in (State.DELETING, State.FAILED)
        assert (found.error is not None) is (found.state in (State.FAILED, State.CANCELED))

    @invariant()
    def one_generation_asks_for_one_thing(self) -> None:
        """A document that changes without a new generation would never be noticed."""
        if self.extension is not None:
            key, document = (self.extension.uid, self.extension.generation), project(self.extension)
            assert document == self.asked.setdefault(key, document)

    @invariant()
    def there_is_a_way_out(self) -> None:
        """From every state a DELETE that the agent carries out ends in nothing."""
        if self.extension is None:
            return
        kept, operations = self.extension, dict(self.operations)
        self.carry_out(decide_delete(self.facts(), flags=Removal()))
        self.report(Phase.GONE, 0, False)
        assert not self.there()
        assert all(each.terminal for each in self.operations.values())
        self.extension, self.operations = kept, operations


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)

"""The plan against a model of Helm, a cluster and all that goes wrong: it always comes to an end, and to the right one.

The machine wants generations, disturbs what is there, and pursues what is wanted as the agent does, remedies and tries
included. From every state it reaches there is a way out without anybody's hand.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from extensa.helm import remedy
from extensa.helm.plan import ACTS, MOST_ACTS, Act, Effort, Step, next_act
from extensa.helm.release import LABEL_ACT, LABEL_OWNER, LABEL_UID, ReleaseStatus
from extensa.helm.state import Good, Name, State, Wanted, judge
from extensa.link.extension import FailurePolicy, OnFailure
from unit.helm.helm_model import HELD, LEFT, PENDING, TROUBLES, Model

MOST_LOOKS = 300
TIMEOUT = timedelta(seconds=120)
POLICIES = st.builds(FailurePolicy, on_failure=st.sampled_from(OnFailure), retries=st.integers(0, 2))
TROUBLE = st.lists(st.sampled_from(("", *TROUBLES)), max_size=5)
KILLED = st.none() | st.integers(0, 3)
CONTENTS = st.sampled_from(["well 1", "well 2", "never 1", "broken 1"])


class Machine(RuleBasedStateMachine):
    """One extension, wanted this way and that."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.policy = FailurePolicy()
        self.good: Good | None = None
        self.wanted = self.want("well 1")

    def want(self, digest: str, *, present: bool = True, **more: bool) -> Wanted:
        generation = self.wanted.generation + 1 if hasattr(self, "wanted") else 1
        return Wanted("r", "ns", "uid", "owner", generation, digest, present, True, **more)

    @initialize(hooks=st.booleans())
    def begin(self, *, hooks: bool) -> None:
        self.model.hooks = hooks

    # what is wanted

    @rule(digest=CONTENTS, policy=POLICIES, adopt=st.booleans(), troubles=TROUBLE, kill_after=KILLED)
    def want_it(
        self, *, digest: str, policy: FailurePolicy, adopt: bool, troubles: list[str], kill_after: int | None
    ) -> None:
        self.model.troubles.extend(troubles)
        self.wanted, self.policy = self.want(digest, adopt=adopt), policy
        self.pursue(kill_after)

    @rule(policy=POLICIES, remove_finalizers=st.booleans(), troubles=TROUBLE, kill_after=KILLED)
    def want_it_gone(
        self, *, policy: FailurePolicy, remove_finalizers: bool, troubles: list[str], kill_after: int | None
    ) -> None:
        self.model.troubles.extend(troubles)
        self.wanted = self.want("", present=False, remove_finalizers=remove_finalizers)
        self.policy = policy
        self.pursue(kill_after)

    @rule()
    def pursue_it_again(self) -> None:
        """As after a restart without memory of an outcome."""
        self.pursue(None)

    # what others do, and what goes wrong

    @precondition(lambda self: not any(r.status in PENDING for r in self.model.records))
    @rule(status=st.sampled_from([ReleaseStatus.DEPLOYED, ReleaseStatus.PENDING_UPGRADE, ReleaseStatus.FAILED]))
    def by_hand(self, status: ReleaseStatus) -> None:
        self.model.by_hand(status)

    @precondition(lambda self: self.model.records)
    @rule()
    def a_record_breaks(self) -> None:
        self.model.records[-1].corrupt = True

    @precondition(lambda self: self.model.records)
    @rule()
    def an_object_is_taken_away(self) -> None:
        self.model.missing = True

    @rule(held=st.booleans())
    def objects_are_left(self, *, held: bool) -> None:
        if not self.model.records:
            self.model.leftover = HELD if held else LEFT

    @rule()
    def the_release_is_taken_away(self) -> None:
        self.model.records.clear()

    @rule(seconds=st.integers(1, 900))
    def time_passes(self, seconds: int) -> None:
        self.model.pass_seconds(seconds)

    @rule()
    def the_cluster_falls_silent_for_a_while(self) -> None:
        self.model.silent = True

    @rule()
    def memory_is_lost(self) -> None:
        self.good = None

    # what the agent does

    def pursue(self, kill_after: int | None) -> None:
        """Pursue what is wanted, in as many tries as the policy says; an agent killed in between begins anew."""
        tries = 0
        again: datetime | None = self.model.now
        while again is not None:
            self.model.now = max(self.model.now, again)
            tries += 1
            if not self._try(tries, kill_after):
                break
            again = remedy.begin_again(self.policy, tries, self.model.now)
        assert tries <= self.policy.retries + 1
        self.model.silent = False

    def _try(self, number: int, kill_after: int | None) -> bool:
        """Make one effort with its remedy; return whether it failed."""
        begun = remedy.edition(self.model.seen())
        state, act = self._effort(self.wanted, kill_after=kill_after, before=begun if number > 1 else None)
        if act.step is Step.DONE:
            self._check_done()
            return False
        due = remedy.due(self.policy, state, self.wanted, self.model.seen(), begun=begun)
        if due is not None:
            assert self.policy.on_failure is not OnFailure.STAY
            worked = self.model.worked[due.step]
            _, done = self._effort(remedy.goal(due, self.wanted))
            assert self.model.worked[due.step] <= worked + 1, "a remedy was done twice"
            if done.step is Step.DONE and due.revision:
                self._note_good()
        return True

    def _effort(self, wanted: Wanted, *, kill_after: int | None = None, before: str | None = None) -> tuple[State, Act]:
        model, acts = self.model, 0
        effort = Effort(model.now, model.now + TIMEOUT)
        for _ in range(MOST_LOOKS):
            seen = model.seen()
            state = judge(seen, wanted, model.now, good=self.good)
            if state.name in (Name.FAILED_INSTALL, Name.FAILED_UPGRADE) and remedy.edition(seen) == before:
                state = replace(state, here=False)
            act = next_act(state, wanted, effort, model.now)
            if act.step in (Step.DONE, Step.GIVE_UP):
                assert effort.lasting <= MOST_ACTS
                return state, act
            if act.step is Step.WAIT:
                assert act.until is not None
                model.wait_until(act.until)
                continue
            assert act.step in ACTS
            if act.step is Step.INSTALL:
                self.good = Good(0)
            failed = model.perform(act, wanted)
            effort = effort.after(act.step, model.now, failed)
            acts += 1
            if kill_after is not None and acts > kill_after:
                kill_after, effort = None, Effort(model.now, model.now + TIMEOUT)
        raise AssertionError(f"no end: {state}, {effort}")

    def _check_done(self) -> None:
        """Hold what is there against what is wanted."""
        records = self.model.records
        if self.wanted.present:
            assert ReleaseStatus.DEPLOYED is records[-1].status
            assert self.wanted.digest.split()[0] == "well" == self.model.object
            assert not self.model.missing
            self._note_good()
        elif records:
            last = records[-1].labels
            assert (self.wanted.uid, self.wanted.owner) != (last.get(LABEL_UID), last.get(LABEL_OWNER))
        else:
            assert self.model.leftover is None

    def _note_good(self) -> None:
        newest = self.model.records[-1]
        self.good = Good(newest.version, newest.labels.get(LABEL_ACT, ""))

    @rule(present=st.booleans())
    def there_is_a_way_out(self, *, present: bool) -> None:
        """Once trouble is over, a new wish is all that is needed to get out of any state."""
        self.model.troubles.clear()
        self.model.silent = False
        self.policy = FailurePolicy()
        self.wanted = self.want("well 3" if present else "", present=present, adopt=True, remove_finalizers=True)
        for _ in range(4):  # the first may spend all its time on waiting for somebody else's lock
            _, act = self._effort(self.wanted)
            if act.step is Step.DONE:
                break
        assert Step.DONE is act.step, act
        self._check_done()


Machine.TestCase.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestMachine = Machine.TestCase

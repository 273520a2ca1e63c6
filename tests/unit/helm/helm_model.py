"""A model of Helm and a cluster for the state machine: records as Helm keeps them, objects as they fare, and trouble.

Each act follows what Helm 4 does to its records when it works, fails, refuses or is killed. The model checks what must
hold for every act: it is done on something of ours, and never while somebody else's act may be under way.
"""

import itertools
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from extensa.helm.causes import Finding, finding
from extensa.helm.health import CURRENT, Health, Level
from extensa.helm.plan import Act, Step
from extensa.helm.readiness import Seen
from extensa.helm.release import (
    ACT_MARK,
    LABEL_ACT,
    LABEL_DIGEST,
    LABEL_GENERATION,
    LABEL_OWNER,
    LABEL_UID,
    Inventory,
    ObjectRef,
    Release,
    ReleaseStatus,
    Revision,
)
from extensa.helm.state import LOCK_PATIENCE, Namespace, Sighting, Wanted

S = ReleaseStatus
START = datetime(2026, 11, 25, tzinfo=UTC)
HISTORY = 10
WEB = ObjectRef("apps/v1", "Deployment", "ns", "web")
HELD = Health(Level.IN_PROGRESS, "a finalizer", "FinalizerStuck")
LEFT = Health(Level.IN_PROGRESS, "its deletion", "ObjectsRemain")
HEALTHS = {
    "well": CURRENT,
    "never": Health(Level.IN_PROGRESS, "1 of 2 replicas", "NotReadyInTime"),
    "broken": Health(Level.FAILED, "too often", "JobFailed"),
}
"""How the object of a content fares, by the content's name."""
TROUBLES = ("fails", "refused", "killed", "passing")
PENDING = (S.PENDING_INSTALL, S.PENDING_UPGRADE, S.PENDING_ROLLBACK)


@dataclass
class Record:
    """One revision and what Helm's record of it holds."""

    version: int
    status: ReleaseStatus
    labels: dict[str, str]
    content: str
    since: datetime
    edition: int
    description: str = ""
    corrupt: bool = False


@dataclass
class Model:
    """The cluster, Helm, and what goes wrong next (`troubles`)."""

    now: datetime = START
    records: list[Record] = field(default_factory=list)
    object: str = ""
    missing: bool = False
    leftover: Health | None = None
    silent: bool = False
    hooks: bool = False
    troubles: deque[str] = field(default_factory=deque)
    worked: "Counter[str]" = field(default_factory=Counter)
    """How often each step was done without a failure."""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def seen(self) -> Sighting:
        """What a look would show."""
        if self.silent:
            return Sighting(unreachable=finding("ApiServerUnreachable"))
        leftovers = (Seen(WEB, self.leftover),) if self.leftover is not None and not self.records else ()
        if not self.records:
            return Sighting(Namespace.ACTIVE, leftovers=leftovers)
        revisions = tuple(
            Revision(f"v{r.version}", r.version, r.status, r.labels, edition=str(r.edition)) for r in self.records
        )
        last = self.records[-1]
        health = Health(Level.NOT_FOUND, "it", "ObjectMissing") if self.missing else HEALTHS[self.object or "well"]
        objects = (Seen(WEB, health),)
        release = Release(
            "r", "ns", last.version, last.status, last.description, "c", "1", last.since, self.hooks, Inventory()
        )
        if last.corrupt:
            return Sighting(Namespace.ACTIVE, revisions, None, corrupt="no gzip", objects=())
        return Sighting(Namespace.ACTIVE, revisions, release, objects=objects)

    def perform(self, act: Act, wanted: Wanted) -> Finding | None:
        """Do one act and return why it failed."""
        self._check(act, wanted)
        failure = self._perform(act, wanted)
        self.worked[act.step] += failure is None
        return failure

    def _perform(self, act: Act, wanted: Wanted) -> Finding | None:
        trouble = self.troubles.popleft() if self.troubles else ""
        if trouble == "refused":
            return finding("Forbidden" if act.step is Step.CLEAN else "ChartDoesNotRender")
        match act.step:
            case Step.INSTALL | Step.UPGRADE:
                return self._apply(act.step, wanted, trouble)
            case Step.ROLLBACK:
                return self._back(act.revision, trouble)
            case Step.UNINSTALL:
                return self._away("" if act.skip_hooks and trouble == "fails" else trouble)
            case Step.SET_ASIDE:
                return finding("ApiServerError") if trouble else self._drop()
            case _:
                return finding("ApiServerError") if trouble else self._clean(wanted)

    def by_hand(self, status: ReleaseStatus, *, content: str = "well") -> None:
        """Somebody else makes a revision; Helm hands labels on."""
        self._supersede(status)
        labels = dict(self.records[-1].labels) if self.records else {}
        self._record(status, labels, content)
        self.object, self.missing = content, False

    def _check(self, act: Act, wanted: Wanted) -> None:
        if not self.records:
            return
        last = self.records[-1]
        uid, owner = last.labels.get(LABEL_UID), last.labels.get(LABEL_OWNER)
        ours = wanted.uid == uid or wanted.owner == owner
        assert ours or (wanted.adopt and uid is None) or wanted.back, f"{act.step} on what is not ours"
        theirs = last.status in PENDING and last.labels.get(LABEL_ACT) in self._earlier_acts() and not _marked(last)
        if theirs and not last.corrupt:
            assert self.now >= last.since + LOCK_PATIENCE, f"{act.step} while another may be at work"

    def _apply(self, step: Step, wanted: Wanted, trouble: str) -> Finding | None:
        if step is Step.INSTALL and self.records:
            return finding("ReleaseNotOurs")
        if step is Step.UPGRADE and (refusal := self._no_upgrade()):
            return refusal
        pending = S.PENDING_INSTALL if step is Step.INSTALL else S.PENDING_UPGRADE
        status = {"": S.DEPLOYED, "killed": pending}.get(trouble, S.FAILED)
        labels = {
            LABEL_UID: wanted.uid,
            LABEL_OWNER: wanted.owner,
            LABEL_GENERATION: str(wanted.generation),
            LABEL_DIGEST: wanted.digest,
            LABEL_ACT: f"act {next(self.numbers)}",
        }
        content = wanted.digest.split()[0]
        self._supersede(status)
        self._record(status, labels, content)
        if trouble != "killed":
            self.object, self.missing, self.leftover = content, False, None
        return _failure(trouble)

    def _back(self, revision: int, trouble: str) -> Finding | None:
        target = next((record for record in self.records if record.version == revision), None)
        if target is None:
            return finding("HelmFailed", "release: not found")
        status = {"": S.DEPLOYED, "killed": S.PENDING_ROLLBACK}.get(trouble, S.FAILED)
        if status is S.FAILED:
            self.records[-1].status = S.SUPERSEDED
        self._supersede(status)
        mark = f"{ACT_MARK}{next(self.numbers)}"
        description = 'Rollback "r" failed: no' if status is S.FAILED else mark
        self._record(status, dict(target.labels), target.content, description)
        if not trouble:
            self.object, self.missing = target.content, False
        return _failure(trouble)

    def _away(self, trouble: str) -> Finding | None:
        if trouble and self.records:
            last = self.records[-1]
            self.records[-1] = replace(last, status=S.UNINSTALLING, edition=next(self.numbers))
            self.missing = self.missing or trouble == "killed"
            return finding("HookFailed") if trouble == "fails" else _failure(trouble)
        self.records.clear()
        self.object, self.missing = "", False
        return None

    def _clean(self, wanted: Wanted) -> Finding | None:
        if self.leftover is LEFT or wanted.remove_finalizers:
            self.leftover = None
        return None

    def _drop(self) -> Finding | None:
        self.records.pop()
        return None

    def _no_upgrade(self) -> Finding | None:
        if not self.records:
            return finding("HelmFailed", "has no deployed releases")
        if self.records[-1].status in PENDING:
            return finding("ReleaseLocked")
        if any(record.status is S.DEPLOYED for record in self.records):
            return None
        return None if self.records[-1].status in (S.FAILED, S.SUPERSEDED) else finding("HelmFailed", "no deployed")

    def _record(self, status: ReleaseStatus, labels: dict[str, str], content: str, description: str = "") -> None:
        version = self.records[-1].version + 1 if self.records else 1
        self.records.append(Record(version, status, labels, content, self.now, next(self.numbers), description))
        while len(self.records) > HISTORY:
            good = [record for record in self.records if record.status is S.DEPLOYED]
            oldest = next(record for record in self.records if record not in good[-1:])
            self.records.remove(oldest)

    def _supersede(self, status: ReleaseStatus) -> None:
        if status is S.DEPLOYED:
            for record in self.records:
                if record.status is S.DEPLOYED:
                    record.status, record.edition = S.SUPERSEDED, next(self.numbers)

    def _earlier_acts(self) -> set[str | None]:
        return {record.labels.get(LABEL_ACT) for record in self.records[:-1]} | {None}

    def wait_until(self, moment: datetime) -> None:
        """Let time pass."""
        assert moment > self.now, "a wait that is over already"
        self.now = moment

    def pass_seconds(self, seconds: int) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


def _marked(record: Record) -> bool:
    return record.description.startswith(ACT_MARK)


def _failure(trouble: str) -> Finding | None:
    codes = {"fails": "QuotaExceeded", "killed": "HelmKilled", "passing": "AdmissionWebhookUnreachable"}
    return finding(codes[trouble]) if trouble else None

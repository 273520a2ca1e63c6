"""The name of a release's state: pure, total, and exactly one for every sighting.

It looks at Helm's record first and at live objects second; what was attempted plays no part. What each state means
stands beside its name; what follows from it, in ``plan.py``. A page of the manual shows both (``states.md``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from extensa.helm.causes import Finding
from extensa.helm.health import Level
from extensa.helm.readiness import Seen
from extensa.helm.release import (
    ACT_MARK,
    LABEL_ACT,
    LABEL_DIGEST,
    LABEL_OWNER,
    LABEL_UID,
    Release,
    ReleaseStatus,
    Revision,
)
from extensa.link.extension import Drift

LOCK_PATIENCE = timedelta(seconds=330)
"""How long a lock that another may hold is respected: Helm's own default timeout, and a little."""


class Namespace(StrEnum):
    """What the release's namespace is doing."""

    ABSENT = "absent"
    ACTIVE = "active"
    TERMINATING = "terminating"


class Name(StrEnum):
    """The states."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> "Name":
        """Give a state its name and, in plain words, what it means."""
        made = str.__new__(cls, name)
        made._value_ = name
        made.meaning = meaning
        return made

    ABSENT = "absent", "There is no record of a release, and nothing of one is known to be left."
    UNMANAGED = "unmanaged", "A release of this name is there, and it is not the extension's."
    IN_SYNC = "in-sync", "The release is as wanted and every object of it is well."
    OUT_OF_SYNC = "out-of-sync", "The release is the extension's but of other content, or was changed by another hand."
    DRIFTED = "drifted", "The release is as wanted, but objects of it are missing or were changed in the cluster."
    PROGRESSING = "progressing", "The release is as wanted; objects of it are still getting ready."
    UNHEALTHY = "unhealthy", "The release is as wanted; an object of it has failed."
    FAILED_INSTALL = "failed-install", "The last act failed, and no revision was ever good."
    FAILED_UPGRADE = "failed-upgrade", "The last act failed; an earlier revision was good."
    FAILED_ROLLBACK = "failed-rollback", "Going back to an earlier revision failed."
    FAILED_UNINSTALL = "failed-uninstall", "An uninstall was begun and failed or was cut short; nothing is gone yet."
    HALF_UNINSTALLED = "half-uninstalled", "An uninstall was cut short when a part was gone."
    UNINSTALLED = "uninstalled", "The release is uninstalled; only its history is left."
    LOCKED = "locked", "Helm's record says that an act is under way (pending-*), and whoever began it is dead."
    LOCKED_ELSEWHERE = "locked-elsewhere", "An act of somebody else's is recorded as under way and may be alive."
    LEFTOVERS = "leftovers", "There is no record any more, but objects of the release are still there."
    CORRUPT = "corrupt", "Helm's newest record of the release cannot be read."
    NEWER = "newer", "The release was made for a later generation than the one asked for."
    TERMINATING = "terminating", "The release's namespace is being deleted."
    UNREACHABLE = "unreachable", "The cluster's API does not answer, or refuses."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be: the release's name and place, whose it is, and what its content would be (`digest`).

    ``back`` is the revision to go back to after a failure, 0 for none; `digest` is then that revision's.
    """

    release: str
    namespace: str
    uid: str
    owner: str
    generation: int
    digest: str
    present: bool
    create_namespace: bool = False
    adopt: bool = False
    remove_finalizers: bool = False
    back: int = 0


@dataclass(frozen=True, slots=True)
class Good:
    """The revision that was last seen healthy, by its number and the act that made it.

    A number of 0 says that the release was begun anew since, and never seen healthy.
    """

    revision: int
    act: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen: Helm's revisions, oldest first, the newest one decoded, and the live objects.

    ``drift`` are fields of live objects that are not what the release says.
    """

    namespace: Namespace = Namespace.ABSENT
    revisions: tuple[Revision, ...] = ()
    release: Release | None = None
    corrupt: str = ""
    objects: tuple[Seen, ...] = ()
    leftovers: tuple[Seen, ...] = ()
    unreachable: Finding | None = None
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """A state's name and the facts its next act needs.

    ``deployed`` is the revision to go back to, 0 for none, and ``first`` says that none was ever good; ``here`` says
    that the newest revision was made for the wanted content, a failed one for the wanted generation too; ``proved``
    that it was seen healthy once. ``adoptable`` is said of a release of somebody else's that may be taken over.
    ``lasts_until`` is when a lock of somebody else's may be taken for dead.
    """

    name: Name
    revision: int = 0
    deployed: int = 0
    first: bool = False
    here: bool = False
    proved: bool = False
    adoptable: bool = False
    install_hooks: bool = False
    detail: str = ""
    finding: Finding | None = None
    lasts_until: datetime | None = None
    objects: tuple[Seen, ...] = field(default=())


def judge(seen: Sighting, wanted: Wanted, now: datetime, *, good: Good | None = None) -> State:
    """Return the one state that ``seen`` amounts to for ``wanted``; ``good`` is what is remembered of the release."""
    if seen.unreachable is not None:
        return State(Name.UNREACHABLE, finding=seen.unreachable)
    going = seen.namespace is Namespace.TERMINATING and wanted.present
    if not seen.revisions:
        if seen.leftovers and not wanted.present:
            return State(Name.LEFTOVERS, objects=seen.leftovers)
        return State(Name.TERMINATING if going else Name.ABSENT)
    return _recorded(seen, wanted, now, good, going=going)


def last_good(revisions: Sequence[Revision], wanted: Wanted, good: Good | None) -> int:
    """Return the revision to go back to from the newest, 0 for none.

    It is the one that was seen healthy, if it is kept; else the newest one that Helm calls good, those made for the
    wanted generation only when there is no other.
    """
    earlier = revisions[:-1]
    if good is not None and (good.revision == 0 or any(_is(each, good) for each in earlier)):
        return good.revision
    for own in (False, True):
        for status in _GOOD:
            found = [r.version for r in earlier if r.status is status and _made_for(r, wanted) is own]
            if found:
                return max(found)
    return 0


def owner_known(revision: Revision) -> bool:
    """Say whether a revision carries an extension's mark."""
    return bool(revision.labels.get(LABEL_UID))


def _recorded(seen: Sighting, wanted: Wanted, now: datetime, good: Good | None, *, going: bool) -> State:
    last = seen.revisions[-1]
    ours = _ours(last, wanted) or (wanted.back > 0 and seen.release is not None and _marked(seen.release))
    may_adopt = wanted.adopt and wanted.present and not owner_known(last)
    if not ours and not may_adopt:
        return State(Name.UNMANAGED, last.version, detail=_whose(last, seen.release))
    if last.labels.get(LABEL_UID) == wanted.uid and last.generation > wanted.generation:
        return State(Name.NEWER, last.version, detail=str(last.generation))
    if going:
        return State(Name.TERMINATING, last.version)
    if seen.release is None or last.status is ReleaseStatus.UNKNOWN:
        detail = f"Secret {wanted.namespace}/{last.secret}: {seen.corrupt or 'no such status'}"
        return State(Name.CORRUPT, last.version, detail=detail)
    if not ours and seen.release.status is ReleaseStatus.DEPLOYED:
        return State(Name.UNMANAGED, last.version, adoptable=True, detail=_whose(last, seen.release))
    return _by_status(seen, seen.release, wanted, now, good)


def _by_status(seen: Sighting, release: Release, wanted: Wanted, now: datetime, good: Good | None) -> State:
    last = seen.revisions[-1]
    ours = _our_act(seen.revisions, release)
    base = State(
        Name.OUT_OF_SYNC,
        last.version,
        last_good(seen.revisions, wanted, good),
        first=_never_good(seen.revisions, good),
        proved=good is not None and _is(last, good),
        install_hooks=release.install_hooks,
        objects=seen.objects,
    )
    same = last.labels.get(LABEL_DIGEST, "") == wanted.digest and ours
    match release.status:
        case ReleaseStatus.PENDING_INSTALL | ReleaseStatus.PENDING_UPGRADE | ReleaseStatus.PENDING_ROLLBACK:
            return _locked(base, last, release, now, ours=ours)
        case ReleaseStatus.UNINSTALLING:
            gone = any(found.health.level is Level.NOT_FOUND for found in seen.objects)
            return _named(base, Name.HALF_UNINSTALLED if gone else Name.FAILED_UNINSTALL)
        case ReleaseStatus.UNINSTALLED:
            return _named(base, Name.UNINSTALLED)
        case ReleaseStatus.DEPLOYED:
            return _named(base, _deployed(seen, wanted) if same else Name.OUT_OF_SYNC, here=same)
        case ReleaseStatus.SUPERSEDED:  # what came after it is gone: an upgrade begins from here
            return base
        case _:
            back = _marked(release) or release.description.startswith(_BACK_FAILED)
            name = Name.FAILED_INSTALL if base.first else Name.FAILED_UPGRADE
            here = same and last.generation == wanted.generation
            return _named(base, Name.FAILED_ROLLBACK if back else name, here=here, detail=release.description)


def _named(base: State, name: Name, *, here: bool = False, detail: str = "") -> State:
    return State(
        name, base.revision, base.deployed, base.first, here, base.proved,
        install_hooks=base.install_hooks, detail=detail, objects=base.objects,
    )  # fmt: skip


def _deployed(seen: Sighting, wanted: Wanted) -> Name:
    levels = {found.health.level for found in seen.objects}
    if not wanted.back and (Level.NOT_FOUND in levels or seen.drift):
        return Name.DRIFTED
    if Level.FAILED in levels:
        return Name.UNHEALTHY
    return Name.PROGRESSING if levels - {Level.CURRENT} else Name.IN_SYNC


def _locked(base: State, last: Revision, release: Release, now: datetime, *, ours: bool) -> State:
    """Return whose lock it is: none of our acts runs while we look, so a lock of ours is dead."""
    since = release.last_deployed or last.modified
    until = since + LOCK_PATIENCE if since is not None else now
    if ours or until <= now:
        return _named(base, Name.LOCKED)
    return State(Name.LOCKED_ELSEWHERE, last.version, base.deployed, base.first, lasts_until=until)


def _our_act(revisions: Sequence[Revision], release: Release) -> bool:
    """Say whether the newest revision was made by an act of ours: each carries an id that no other has.

    Helm hands labels on to the revisions that follow, so one made by hand carries the id of an earlier act.
    """
    act = revisions[-1].labels.get(LABEL_ACT)
    earlier = {revision.labels.get(LABEL_ACT) for revision in revisions[:-1]}
    return (act is not None and act not in earlier) or _marked(release)


def _marked(release: Release) -> bool:
    return release.description.startswith(ACT_MARK)


def _never_good(revisions: Sequence[Revision], good: Good | None) -> bool:
    if good is not None:
        return good.revision == 0
    return not any(revision.status in _GOOD for revision in revisions[:-1])


def _made_for(revision: Revision, wanted: Wanted) -> bool:
    return revision.labels.get(LABEL_UID) == wanted.uid and revision.generation == wanted.generation


def _is(revision: Revision, good: Good) -> bool:
    return (revision.version, revision.labels.get(LABEL_ACT, "")) == (good.revision, good.act)


def _ours(last: Revision, wanted: Wanted) -> bool:
    """Say whether the release belongs to this extension, or to an earlier incarnation of the same resource."""
    return last.labels.get(LABEL_UID) == wanted.uid or last.labels.get(LABEL_OWNER) == wanted.owner


def _whose(last: Revision, release: Release | None) -> str:
    whose = "another extension" if owner_known(last) else "somebody else"
    if release is None or not release.chart_name:
        return f"{whose} (revision {last.version})"
    return f"{whose} (chart {release.chart_name} {release.chart_version}, revision {last.version})"


_GOOD = (ReleaseStatus.DEPLOYED, ReleaseStatus.SUPERSEDED)
_BACK_FAILED = 'Rollback "'
"""How Helm's own description of a failed rollback begins."""

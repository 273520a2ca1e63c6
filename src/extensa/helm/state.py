"""The name of a release's state: pure, total, and exactly one for every sighting.

    absent            nothing there                       unmanaged         a release of this name that is not ours
    in-sync           ours, as wanted, every object well  out-of-sync       ours, of other content, or changed by hand
    progressing       as wanted, objects still waiting    unhealthy         as wanted, an object has failed
    failed-*          the last act failed                 locked            pending-*, whose owner is dead
    uninstalling      an uninstall was cut short          locked-elsewhere  pending-*, whose owner may live
    uninstalled       only history is left                leftovers         no record, objects still there
    corrupt           Helm's record cannot be read        newer             made for a later generation than ours
    terminating       the namespace is going              unreachable       the API does not answer

It looks at Helm's record first and at live objects second; what was attempted plays no part.
"""

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

LOCK_PATIENCE = timedelta(seconds=330)
"""How long a lock that another may hold is respected: Helm's own default timeout, and a little."""


class Namespace(StrEnum):
    """What the release's namespace is doing."""

    ABSENT = "absent"
    ACTIVE = "active"
    TERMINATING = "terminating"


class Name(StrEnum):
    """The states; the module's head says what each means."""

    ABSENT = "absent"
    UNMANAGED = "unmanaged"
    IN_SYNC = "in-sync"
    OUT_OF_SYNC = "out-of-sync"
    PROGRESSING = "progressing"
    UNHEALTHY = "unhealthy"
    FAILED_INSTALL = "failed-install"
    FAILED_UPGRADE = "failed-upgrade"
    LOCKED = "locked"
    LOCKED_ELSEWHERE = "locked-elsewhere"
    UNINSTALLING = "uninstalling"
    UNINSTALLED = "uninstalled"
    LEFTOVERS = "leftovers"
    CORRUPT = "corrupt"
    NEWER = "newer"
    TERMINATING = "terminating"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be: the release's name and place, whose it is, and what its content would be (`digest`)."""

    release: str
    namespace: str
    uid: str
    owner: str
    generation: int
    digest: str
    present: bool
    create_namespace: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen: Helm's revisions, oldest first, the newest one decoded, and the live objects."""

    namespace: Namespace = Namespace.ABSENT
    revisions: tuple[Revision, ...] = ()
    release: Release | None = None
    corrupt: str = ""
    objects: tuple[Seen, ...] = ()
    leftovers: tuple[Seen, ...] = ()
    unreachable: Finding | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A state's name and the facts its next act needs.

    ``deployed`` is the revision to go back to, 0 for none; ``here`` says that a failed revision was made for the wanted
    generation and content; ``lasts_until`` is when a lock of somebody else's may be taken for dead.
    """

    name: Name
    revision: int = 0
    deployed: int = 0
    here: bool = False
    install_hooks: bool = False
    detail: str = ""
    finding: Finding | None = None
    lasts_until: datetime | None = None
    objects: tuple[Seen, ...] = field(default=())


def judge(seen: Sighting, wanted: Wanted, now: datetime) -> State:
    """Return the one state that ``seen`` amounts to for ``wanted``."""
    if seen.unreachable is not None:
        return State(Name.UNREACHABLE, finding=seen.unreachable)
    going = seen.namespace is Namespace.TERMINATING and wanted.present
    if not seen.revisions:
        if seen.leftovers and not wanted.present:
            return State(Name.LEFTOVERS, objects=seen.leftovers)
        return State(Name.TERMINATING if going else Name.ABSENT)
    return _recorded(seen, seen.revisions[-1], wanted, now, going=going)


def _recorded(seen: Sighting, last: Revision, wanted: Wanted, now: datetime, *, going: bool) -> State:
    if not _ours(last, wanted):
        return State(Name.UNMANAGED, last.version, detail=_whose(last))
    if last.labels.get(LABEL_UID) == wanted.uid and last.generation > wanted.generation:
        return State(Name.NEWER, last.version, detail=str(last.generation))
    if going:
        return State(Name.TERMINATING, last.version)
    if seen.release is None:
        return State(Name.CORRUPT, last.version, detail=f"Secret {wanted.namespace}/{last.secret}: {seen.corrupt}")
    return _by_status(seen, seen.release, last, wanted, now)


def _by_status(seen: Sighting, release: Release, last: Revision, wanted: Wanted, now: datetime) -> State:
    deployed = _deployed(seen.revisions)
    same = last.labels.get(LABEL_DIGEST) == wanted.digest and _our_act(seen.revisions, release)
    match release.status:
        case ReleaseStatus.PENDING_INSTALL | ReleaseStatus.PENDING_UPGRADE | ReleaseStatus.PENDING_ROLLBACK:
            return _locked(last, release, deployed, now, ours=_our_act(seen.revisions, release))
        case ReleaseStatus.UNINSTALLING:
            return State(Name.UNINSTALLING, last.version)
        case ReleaseStatus.UNINSTALLED:
            return State(Name.UNINSTALLED, last.version)
        case ReleaseStatus.DEPLOYED:
            return _deployed_state(seen, last, deployed, same=same)
        case _:
            name = Name.FAILED_UPGRADE if deployed else Name.FAILED_INSTALL
            here = same and last.generation == wanted.generation
            return State(
                name, last.version, deployed, here, release.install_hooks, release.description, objects=seen.objects
            )


def _deployed_state(seen: Sighting, last: Revision, deployed: int, *, same: bool) -> State:
    if not same:
        name = Name.OUT_OF_SYNC
    elif any(found.health.level is Level.FAILED for found in seen.objects):
        name = Name.UNHEALTHY
    elif any(found.health.level is not Level.CURRENT for found in seen.objects):
        name = Name.PROGRESSING
    else:
        name = Name.IN_SYNC
    return State(name, last.version, deployed, here=same, objects=seen.objects)


def _locked(last: Revision, release: Release, deployed: int, now: datetime, *, ours: bool) -> State:
    """Return whose lock it is: none of our acts runs while we look, so a lock of ours is dead."""
    since = release.last_deployed or last.modified
    until = since + LOCK_PATIENCE if since is not None else now
    if ours or until <= now:
        return State(Name.LOCKED, last.version, deployed, install_hooks=release.install_hooks)
    return State(Name.LOCKED_ELSEWHERE, last.version, deployed, lasts_until=until)


def _our_act(revisions: tuple[Revision, ...], release: Release) -> bool:
    """Say whether the newest revision was made by an act of ours: each carries an id that no other has.

    Helm hands labels on to the revisions that follow, so one made by hand carries the id of an earlier act.
    """
    act = revisions[-1].labels.get(LABEL_ACT)
    earlier = {revision.labels.get(LABEL_ACT) for revision in revisions[:-1]}
    return (act is not None and act not in earlier) or release.description.startswith(ACT_MARK)


def _deployed(revisions: tuple[Revision, ...]) -> int:
    """Return the newest revision to go back to, 0 when none was ever good."""
    for status in (ReleaseStatus.DEPLOYED, ReleaseStatus.SUPERSEDED):
        good = [revision.version for revision in revisions if revision.status is status]
        if good:
            return max(good)
    return 0


def _ours(last: Revision, wanted: Wanted) -> bool:
    """Say whether the release belongs to this extension, or to an earlier incarnation of the same resource."""
    return last.labels.get(LABEL_UID) == wanted.uid or last.labels.get(LABEL_OWNER) == wanted.owner


def _whose(last: Revision) -> str:
    return "another extension" if last.labels.get(LABEL_UID) else "somebody else"

"""What must hold after any fault, each by its name. Facts in, complaints out; gathering the facts is in `look`.

no acknowledged write is lost            what was answered with 2xx is what the front says afterwards
one effective act per generation         no generation of a release was brought about twice
no orphan process                        whatever runs is a descendant of server, host or agent
no lock of the dead                      no pid file, file lock or pending release outlives its owner
the final state is as desired            front, Helm's record and live objects agree with the last wish
every operation has ended                no operation is left running once everything is at rest
no secret in the open                    no planted secret in any file or log of the data folder
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.driver import Wish
from extensa.helm.release import LABEL_ACT, LABEL_GENERATION, LABEL_UID, Revision

NO_WRITE_LOST = "no acknowledged write is lost"
ONE_ACT = "one effective act per generation"
NO_ORPHAN = "no orphan process"
NO_LOCK = "no lock of the dead"
AS_DESIRED = "the final state is as desired"
ALL_ENDED = "every operation has ended"
NO_SECRET = "no secret in the open"

NAMES = (NO_WRITE_LOST, ONE_ACT, NO_ORPHAN, NO_LOCK, AS_DESIRED, ALL_ENDED, NO_SECRET)


@dataclass(frozen=True)
class Release:
    """What a cluster holds of one extension: Helm's revisions, the live ConfigMap's data, the live secret."""

    revisions: Sequence[Revision] = ()
    settings: dict[str, str] | None = None
    secret: str | None = None


def write_kept(name: str, acknowledged: Wish, seen: Wish) -> list[str]:
    """`NO_WRITE_LOST`, when nothing is in doubt."""
    if acknowledged.mark == seen.mark:
        return []
    return [f"{name}: acknowledged was {acknowledged.mark!r}, and the front says {seen.mark!r}"]


def one_act(name: str, effective: Iterable[Revision]) -> list[str]:
    """`ONE_ACT`: all revisions that ever took effect have one act id for each uid and generation.

    Helm hands labels on to the revision of a rollback, which therefore carries an act id that is known already.
    """
    acts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for each in effective:
        if each.status in ("deployed", "superseded"):
            acts[each.labels.get(LABEL_UID, ""), each.labels.get(LABEL_GENERATION, "")].add(
                each.labels.get(LABEL_ACT, "")
            )
    return [
        f"{name}: generation {key[1]} was brought about by {sorted(some)}"
        for key, some in acts.items()
        if len(some) > 1
    ]


def no_lock(name: str, revisions: Sequence[Revision]) -> list[str]:
    """`NO_LOCK`, Helm's: at rest the newest revision is not pending, nor half gone."""
    newest = revisions[-1:]
    return [f"{name}: revision {r.version} is {r.status}" for r in newest if r.status not in ("deployed", "failed")]


def as_desired(name: str, wish: Wish, state: str, release: Release) -> list[str]:
    """`AS_DESIRED`: front, record and live objects are what was wished for."""
    newest = release.revisions[-1].status if release.revisions else None
    found = (state, newest, release.settings, release.secret)
    wanted: tuple[object, ...] = ("Absent", None, None, None)
    if wish.mark is not None:
        wanted = ("Succeeded", "deployed", {"mark": wish.mark, "chart": wish.version}, wish.secret)
    return [] if found == wanted else [f"{name}: wanted {_plain(wanted)}, found {_plain(found)}"]


def _plain(facts: tuple[object, ...]) -> str:
    return repr(facts[:3]) + (" and its secret" if facts[3] is not None else " and no secret")


def no_secret(folder: Path, canary: str) -> list[str]:
    """`NO_SECRET`: neither as it is nor in base64, at any of the three offsets, in any file below ``folder``."""
    wanted = [canary.encode(), *_encodings(canary.encode())]
    return [
        f"{file.relative_to(folder)} holds the secret"
        for file in sorted(folder.rglob("*"))
        if file.is_file() and any(each in _content(file) for each in wanted)
    ]


def _encodings(secret: bytes) -> list[bytes]:
    """What base64 makes of ``secret`` wherever it stands in a text: the part that does not depend on its neighbours."""
    found = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret)
        found.append(encoded[4 if offset else 0 : -4])
    return found


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # gone meanwhile
        return b""

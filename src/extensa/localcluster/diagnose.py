"""What a component's end means for a person: from how it ended and what it printed last. Pure.

Reading what a strange program prints is a last resort, so it stands here alone, with samples of each program's own
words in the tests.
"""

import re
from dataclasses import dataclass

from extensa.localcluster.commands import API_SERVER, ETCD
from extensa.localcluster.errors import ClusterError

STARTED = "=== started by extensa host ==="
"""Written into a component's log at each start, so that an earlier run's complaints are not taken for this one's."""

_LONGEST_QUOTE = 300
_TROUBLE = re.compile(r'^[EF]\d{4} |^Error:|^panic|"level":"(?:fatal|panic|error)"|level=error', re.IGNORECASE)

_TOO_LITTLE = 4 * 1024 * 1024
_FREE = "Free some space; the host tries again by itself within a minute."
_DAMAGED = "The cluster's data is damaged: delete the cluster and create it again."
_AGAIN = "Its log says more; the host goes on trying by itself."


@dataclass(frozen=True, slots=True)
class _Cause:
    """One cause, by the words a program uses for it; ``component`` narrows it to one program."""

    words: str
    code: str
    next_step: str
    component: str = ""


_CAUSES = (
    _Cause(
        r"no space left on device|disk quota exceeded",
        "DiskFull",
        _FREE,
    ),
    _Cause(
        r"bind: address already in use|failed to create listener",
        "PortTaken",
        "Another program has the cluster's port; the host starts it on another one.",
    ),
    _Cause(
        r"certificate has expired or is not yet valid",
        "CertificateExpired",
        "See that the machine's clock is right; certificates are renewed at the next start.",
    ),
    _Cause(
        r"read-only file system|permission denied",
        "DataFolderReadOnly",
        "Make the data folder writable for this user.",
        ETCD,
    ),
    _Cause(
        r"crc mismatch|wal: |invalid page|invalid database|panic|failed to recover|snap: |corrupt",
        "EtcdDataDamaged",
        _DAMAGED,
        ETCD,
    ),
    _Cause("", "EtcdFailed", _AGAIN, ETCD),
    _Cause("", "ApiServerFailed", _AGAIN, API_SERVER),
    _Cause("", "ComponentFailed", _AGAIN),
)


def diagnose(component: str, *, exit_code: int | None, reason: str, printed: str, free: int) -> ClusterError:
    """Return why ``component`` does not run.

    ``reason`` is set when it could not even be started; ``printed`` is the end of its log; ``free`` are the bytes left
    on its disk, for a full one keeps programs from saying so.
    """
    if free < _TOO_LITTLE:
        how = f"{component} {_ended(exit_code)}, and its disk has {free // 1024} KiB left."
        return ClusterError("DiskFull", how, target=component, next_step=_FREE)
    if reason:
        return ClusterError(
            "BinariesMissing",
            f"{component} cannot be started: {reason}.",
            target=component,
            next_step="Run `extensa kubernetes install`, or see what EXTENSA_KUBERNETES_BINARIES names.",
        )
    said = printed.rpartition(STARTED)[2]
    cause = next(each for each in _CAUSES if _fits(each, component, said))
    message = f"{component} {_ended(exit_code)}. It said last: {_quote(said, cause.words) or 'nothing'}"
    return ClusterError(cause.code, message, target=component, next_step=cause.next_step)


def timed_out(patience: float, *, log_cut: bool) -> ClusterError:
    """Return why an API server is not ready after ``patience`` seconds although nothing ends.

    ``log_cut`` says that etcd has found its write-ahead log damaged, and gone on with what came before the damage.
    """
    message = f"The API server was not ready within {patience:.0f} s."
    if log_cut:
        cause = "etcd found its log damaged, cut it off there, and does not serve since."
        return ClusterError("EtcdDataDamaged", f"{message} {cause}", target=ETCD, next_step=_DAMAGED)
    return ClusterError(
        "StartTimedOut",
        message,
        target=API_SERVER,
        next_step="The machine may be short of processor or memory; the host goes on trying.",
    )


def _fits(cause: _Cause, component: str, said: str) -> bool:
    return cause.component in ("", component) and re.search(cause.words, said, re.IGNORECASE) is not None


def _ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "does not run"
    if exit_code < 0:
        return f"was ended by signal {-exit_code}"
    return f"ended with exit code {exit_code}"


def _quote(said: str, words: str) -> str:
    """Return the last line with the cause's words (rather a complaint than a call in a stack), else one that looks
    like trouble, else the last one.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if words and re.search(words, line, re.IGNORECASE)]
    trouble = [line for line in lines if _TROUBLE.search(line)]
    both = [line for line in telling if line in trouble]
    return (both or telling or trouble or lines or [""])[-1][:_LONGEST_QUOTE]

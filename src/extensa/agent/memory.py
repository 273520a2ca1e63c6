"""What the agent must not forget when it dies: its key, what should be, how it ended, evidence, and the charts.

A desired document is kept as it came, protected settings sealed to the agent's own key, so that the memory holds no
secret in the open. With it stands the outcome of its generation (an effort that was given up is not begun again by a
restart) and what an uninstalled release consisted of (so that its absence can still be seen). `FileMemory` keeps it in
the data folder; one process at a time.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from extensa.base.errors import ExtensaError
from extensa.base.home import clear_half_written, write_file
from extensa.base.log import get_logger
from extensa.helm.release import Inventory
from extensa.helm.remedy import Due
from extensa.helm.state import Good
from extensa.link.evidence import MOST_KEPT, Evidence
from extensa.link.extension import DesiredExtension, Failure, Phase, Remedy
from extensa.link.sealing import new_private_key

_log = get_logger("agent")


class MemoryError_(ExtensaError):  # noqa: N801 - Python has taken the name
    """The agent's folder cannot be used."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How the pursuit of one generation ended: READY, or FAILED and why.

    A remedy that is ``due`` is kept before it begins and is what a restart goes on with; ``remedy`` is what came of it.
    ``tries`` have failed; the next one begins ``again`` at that time, None: there is none.
    """

    uid: str
    generation: int
    phase: Phase
    at: datetime
    failure: Failure | None = None
    evidence: str = ""
    due: Due | None = None
    remedy: Remedy | None = None
    tries: int = 0
    again: datetime | None = None


class Remembered(Struct, frozen=True, kw_only=True):
    """All that is kept of one extension.

    ``begun`` is the edition of Helm's newest record when the present effort began, None: nothing was looked at yet.
    ``aside`` says that a record of it was set aside, ``stale`` that nothing was seen healthy since.
    """

    desired: DesiredExtension
    outcome: Outcome | None = None
    leaving: Inventory | None = None
    good: Good | None = None
    begun: str | None = None
    aside: bool = False
    stale: bool = False


class Memory(Protocol):
    """The agent's memory; writes are durable when they return. Every method raises `MemoryError_`."""

    async def private_key(self) -> str:
        """Return the key that protected settings are sealed to; made on first use."""
        ...

    async def load(self) -> list[Remembered]:
        """Return what was kept of every extension."""
        ...

    async def keep(self, kept: Remembered) -> None:
        """Keep this of an extension, in place of what was kept before."""
        ...

    async def forget(self, resource_id: str) -> None:
        """Keep nothing of an extension any more."""
        ...

    async def keep_evidence(self, resource_id: str, evidence: Evidence) -> None:
        """Keep what was seen of a failure, beside the newest others of the same extension."""
        ...

    async def evidence(self, resource_id: str) -> list[Evidence]:
        """Return what is kept of an extension's failures, the oldest first."""
        ...

    async def chart(self, digest: str) -> Path | None:
        """Return where the chart with this content lies, None when it is not here."""
        ...

    async def keep_chart(self, digest: str, archive: bytes) -> Path:
        """Keep a chart whose content was verified, and return where it lies."""
        ...

    async def drop_charts(self, needed: set[str]) -> None:
        """Forget every chart but those with these digests."""
        ...


class FileMemory:
    """The `Memory` in a folder: ``key``, ``extensions/``, ``evidence/``, ``charts/``, and a lock while it is open."""

    def __init__(self, folder: Path) -> None:
        """Raises `MemoryError_` when another process holds the folder or it cannot be written."""
        self._folder = folder
        try:
            for part in (folder, folder / "extensions", folder / "charts"):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            message = f"Another agent works in {folder}."
            raise MemoryError_("AgentAlreadyRunning", message, next_step="Stop it with `extensa down`.") from error
        with contextlib.suppress(OSError):  # a folder that cannot be written is told by whoever writes
            clear_half_written(folder, *(folder / part for part in ("extensions", "evidence", "charts")))

    def close(self) -> None:
        """Let another process open the folder."""
        os.close(self._lock)

    async def private_key(self) -> str:
        """See `Memory.private_key`."""
        path = self._folder / "key"
        try:
            if not path.exists():
                write_file(path, new_private_key().encode())
            return path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise _unusable(path, error) from error

    async def load(self) -> list[Remembered]:
        """See `Memory.load`; a file that cannot be read is left out, the control plane tells it again."""
        found = []
        for path in sorted((self._folder / "extensions").glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Remembered))
            except (OSError, msgspec.MsgspecError) as error:
                _log.warning("a memory could not be read", file=str(path), error=str(error))
        return found

    async def keep(self, kept: Remembered) -> None:
        """See `Memory.keep`."""
        path = self._file(kept.desired.resource_id)
        try:
            await _written(path, msgspec.json.encode(kept))
        except OSError as error:
            raise _unusable(path, error) from error

    async def forget(self, resource_id: str) -> None:
        """See `Memory.forget`."""
        self._file(resource_id).unlink(missing_ok=True)
        for path in self._evidence_files(resource_id):
            path.unlink(missing_ok=True)

    async def keep_evidence(self, resource_id: str, evidence: Evidence) -> None:
        """See `Memory.keep_evidence`."""
        path = self._folder / "evidence" / f"{self._file(resource_id).stem}.{evidence.id}.json"
        try:
            await _written(path, msgspec.json.encode(evidence))
            for old in self._evidence_files(resource_id)[:-MOST_KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(path, error) from error

    async def evidence(self, resource_id: str) -> list[Evidence]:
        """See `Memory.evidence`; a file that cannot be read is left out."""
        found = []
        for path in self._evidence_files(resource_id):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Evidence))
            except (OSError, msgspec.MsgspecError) as error:
                _log.warning("evidence could not be read", file=str(path), error=str(error))
        return found

    async def chart(self, digest: str) -> Path | None:
        """See `Memory.chart`."""
        path = self._chart_file(digest)
        return path if path.is_file() else None

    async def keep_chart(self, digest: str, archive: bytes) -> Path:
        """See `Memory.keep_chart`."""
        path = self._chart_file(digest)
        try:
            await _written(path, archive)
        except OSError as error:
            raise _unusable(path, error) from error
        return path

    async def drop_charts(self, needed: set[str]) -> None:
        """See `Memory.drop_charts`."""
        names = {self._chart_file(digest).name for digest in needed}
        for path in (self._folder / "charts").glob("*.tgz"):
            if path.name not in names:
                path.unlink(missing_ok=True)

    def _file(self, resource_id: str) -> Path:
        name = hashlib.sha256(resource_id.lower().encode()).hexdigest()[:32]
        return self._folder / "extensions" / f"{name}.json"

    def _evidence_files(self, resource_id: str) -> list[Path]:
        """The oldest first: their names begin with the time."""
        return sorted((self._folder / "evidence").glob(f"{self._file(resource_id).stem}.*.json"))

    def _chart_file(self, digest: str) -> Path:
        return self._folder / "charts" / f"{hashlib.sha256(digest.encode()).hexdigest()[:40]}.tgz"


async def _written(path: Path, content: bytes) -> None:
    """Write in a thread, and be cancelled only when it has ended: a file that is forgotten next must not come back."""
    writing = asyncio.ensure_future(asyncio.to_thread(write_file, path, content))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait((writing,))
        if not writing.cancelled() and (error := writing.exception()) is not None:
            _log.warning("a file could not be written", file=str(path), error=str(error))
        raise


def _unusable(path: Path, error: OSError) -> MemoryError_:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = f"The disk is full: {path} cannot be written."
        return MemoryError_("DiskFull", message, next_step="Free some space there; it is tried again by itself.")
    step = "Make the folder writable for this user."
    return MemoryError_("AgentFolderUnusable", f"{path} cannot be used: {error.strerror}.", next_step=step)

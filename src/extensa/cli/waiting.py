"""Waiting for a write to be done, with the resource's own words as progress.

The operation's poll is held by the server until it ends, so the words come from a second caller that looks at the
resource every second. What it sees is shown and never decides anything.
"""

import threading
from collections.abc import Mapping
from typing import Any, TextIO

from extensa.base.errors import ExtensaError
from extensa.cli.progress import Step, step
from extensa.cli.session import Session
from extensa.client.operations import Accepted

_LOOK = 1.0


def wait(
    session: Session, promise: Accepted, path: str, api_version: str, *, title: str, stream: TextIO | None = None
) -> None:
    """Return when the promised work on the resource at ``path`` has ended well; ``title`` is shown meanwhile.

    Raises `OperationFailed` when it ended otherwise.
    """
    if promise.operation is None:
        return
    with step(title, stream=stream) as shown, _watching(session, shown, path, api_version):
        session.arm.wait(promise, target=path)


def words(resource: Any) -> str:
    """Return what a resource says of its own progress: the newest status line, else the provisioning state."""
    properties = resource.get("properties") if isinstance(resource, Mapping) else None
    if not isinstance(properties, Mapping):
        return ""
    statuses = [s for s in properties.get("statuses") or () if isinstance(s, Mapping) and s.get("message")]
    if statuses:
        return str(statuses[-1]["message"])
    progress = properties.get("provisioningProgress") or properties.get("provisioningState")
    return str(progress or "")


class _watching:  # noqa: N801 - a context manager, used like a function
    """Look at the resource every second and show its words, until the block ends."""

    def __init__(self, session: Session, shown: Step, path: str, api_version: str) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(session, shown, path, api_version), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._ended.set()

    def _look(self, session: Session, shown: Step, path: str, api_version: str) -> None:
        arm = None
        while not self._ended.wait(_LOOK):
            try:
                arm = arm or session.caller()
                shown.say(words(arm.get(path, api_version)))
            except ExtensaError:
                continue
        if arm is not None:
            arm.close()

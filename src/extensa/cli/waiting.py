"""Waiting for a write to be done, with the resource's own words as progress.

The operation's poll is held by the server until it ends, so the words come from a second caller that looks at the
resource every second. What it sees is shown and never decides anything.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from extensa.base.errors import ExtensaError
from extensa.cli.progress import step
from extensa.cli.session import Session
from extensa.client.operations import Accepted

_LOOK = 1.0
_FAREWELL = 1.0  # seconds that the last look may take once nobody waits for its words


def wait(session: Session, promise: Accepted, path: str, api_version: str, *, title: str) -> None:
    """Return when the promised work on the resource at ``path`` has ended well; ``title`` is shown meanwhile.

    Raises `OperationFailed` when it ended otherwise.
    """
    if promise.operation is None:
        return
    try:
        with step(title) as shown, telling(session, path, api_version, say=shown.say):
            session.arm.wait(promise, target=path)
    except KeyboardInterrupt:
        click.echo("No longer waiting; the work goes on. `show` tells how it stands.", err=True)
        raise


@contextmanager
def telling(session: Session, path: str, api_version: str, *, say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, look at the resource every second and ``say`` what it says of its progress."""
    ended = threading.Event()

    def look() -> None:
        arm = None
        while not ended.wait(_LOOK):
            try:
                arm = arm or session.caller()
                say(words(arm.get(path, api_version)))
            except ExtensaError:
                continue
        if arm is not None:
            arm.close()

    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    try:
        yield
    finally:
        ended.set()
        looker.join(_FAREWELL)


def words(resource: Any) -> str:
    """Return what a resource says of its own progress: the newest status line, else the provisioning state."""
    properties = resource.get("properties") if isinstance(resource, Mapping) else None
    if not isinstance(properties, Mapping):
        return ""
    statuses = [s for s in properties.get("statuses") or () if isinstance(s, Mapping) and s.get("message")]
    if statuses:
        return str(statuses[-1]["message"])
    return str(properties.get("provisioningState") or "")

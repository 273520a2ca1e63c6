"""What the verbs of `extensa extension` share: how an extension is printed, and how an action on it is performed."""

from typing import Any

from extensa.cli.output import Column, emit
from extensa.cli.session import Session
from extensa.cli.waiting import wait
from extensa.client import paths

API = paths.EXTENSIONS_API
COLUMNS: tuple[Column, ...] = (
    ("Name", "name"),
    ("ExtensionType", "properties.extensionType"),
    ("Version", "properties.currentVersion|properties.version"),
    ("ProvisioningState", "properties.provisioningState"),
    ("LastModifiedAt", "systemData.lastModifiedAt"),
    ("IsSystemExtension", "properties.isSystemExtension"),
)


def show(session: Session, value: Any) -> None:
    """Print an extension, or a list of them."""
    emit(value, format=session.format, columns=COLUMNS)


def name_of(path: str) -> str:
    """Return the name of the extension at ``path``."""
    return path.rpartition("/")[2]


def perform(session: Session, path: str, action: str, *, title: str, no_wait: bool = False, body: Any = None) -> None:
    """Perform a POST action, wait for the work it began unless ``no_wait``, and print the extension as it then is."""
    promise = session.arm.post(f"{path}/{action}", API, body)
    if promise.operation is None or no_wait:
        show(session, promise.body)
        return
    wait(session, promise, path, API, title=title)
    show(session, session.arm.get(path, API))

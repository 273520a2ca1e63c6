"""Publishing a chart as a version of an extension type: the type when it is not there, then the archive as a stream.

The archive is packed by ``client/chart.py``; whether the service takes it is for the service to say.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from extensa.base.errors import NotFound, Refused
from extensa.cli.session import Session
from extensa.client import paths
from extensa.client.chart import load_chart

_API = paths.TYPES_API


def publish_chart(
    session: Session,
    chart: Path,
    *,
    extension_type: str,
    version: str | None,
    trains: Sequence[str],
    description: str | None,
    publisher: str | None,
) -> Any:
    """Publish ``chart`` (a folder or an archive) and return the version as the service shows it.

    Raises `Refused` when the chart cannot be packed or names no version.
    """
    packed = load_chart(chart)
    named = version or packed.version
    if not named:
        raise Refused(
            "VersionMissing",
            "The chart names no version, and none was given.",
            target=str(chart),
            next_step="Add --version, such as --version 1.0.0.",
        )
    said = {"description": description, "publisher": publisher}
    ensure_type(
        session, extension_type, {k: v for k, v in said.items() if v}, defaults={"description": packed.description}
    )
    return upload_version(session, extension_type, named, packed.archive, trains=trains)


def ensure_type(
    session: Session, extension_type: str, properties: dict[str, Any], *, defaults: dict[str, Any] | None = None
) -> None:
    """Make the type when it is not there (with ``defaults``), and let it say ``properties`` when it says otherwise."""
    path = paths.type_registration(session.subscription, extension_type)
    try:
        present = session.arm.get(path, _API)["properties"]
    except NotFound:
        session.arm.put(path, _API, {"properties": {**(defaults or {}), **properties}})
        return
    if any(present.get(key) != value for key, value in properties.items()):
        session.arm.put(path, _API, {"properties": {**present, **properties}})


def upload_version(
    session: Session, extension_type: str, version: str, archive: bytes, *, trains: Sequence[str]
) -> Any:
    """PUT a chart archive as ``version`` and return it as the service shows it."""
    path = f"{paths.type_registration(session.subscription, extension_type)}/versions/{version}"
    return session.arm.upload(path, _API, io.BytesIO(archive), length=len(archive), train=",".join(trains)).body


def published_versions(session: Session, extension_type: str) -> set[str]:
    """Return the versions of a type that are there, none when the type is not."""
    path = f"{paths.type_registration(session.subscription, extension_type)}/versions"
    try:
        return {item["properties"]["version"] for item in session.arm.list(path, _API)}
    except NotFound:
        return set()

"""Extension types, versions and chart archives for the catalog's tests, made by a line each."""

import gzip
import io
import tarfile
from datetime import UTC, datetime
from typing import Any

import yaml

from extensa.arm.binding import Caller
from extensa.arm.system_data import created
from extensa.catalog.model import ExtensionType, TypeVersion
from extensa.catalog.precedence import newest_first
from extensa.link.extension import Chart

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CALLER = Caller(object_id="someone", tenant_id="t", app_id="a")


def version(number: str, *trains: str, digest: str = "sha256:0") -> TypeVersion:
    """A version on ``trains``, by default on stable."""
    chart = Chart(name="sample", version=number, digest=digest, size=1)
    return TypeVersion(version=number, trains=list(trains) or ["stable"], chart=chart, published_at=NOW)


def extension_type(*versions: TypeVersion, name: str = "Contoso.App", **facts: Any) -> ExtensionType:
    """A type with ``versions``, for both kinds of cluster unless said."""
    facts.setdefault("supported_cluster_types", ["connectedClusters", "managedClusters"])
    return ExtensionType(name=name, versions=newest_first(versions), system_data=created(CALLER, NOW), **facts)


def chart_yaml(**fields: Any) -> bytes:
    """The Chart.yaml of a chart that is all right, with ``fields`` changed (None takes one away)."""
    whole = {"apiVersion": "v2", "name": "sample", "version": "1.0.0", "type": "application", **fields}
    return yaml.safe_dump({k: v for k, v in whole.items() if v is not None}).encode()


def entry(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A tar entry with ``fields`` of its header changed."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar of ``entries``."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def archive(*more: tuple[tarfile.TarInfo, bytes], **fields: Any) -> bytes:
    """The archive of a chart that is all right, with ``fields`` of its Chart.yaml changed and ``more`` entries."""
    chart = (entry("sample/Chart.yaml", chart_yaml(**fields)), entry("sample/templates/a.yaml", b"# nothing"))
    return gzip.compress(tar(*chart, *more), mtime=0)

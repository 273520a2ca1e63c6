"""`extensa support-bundle`: what a supporter needs to know, in one archive, without a secret in it.

Every part is made by itself: one that cannot be made is named in the archive, and no reason not to make the others.
Files of the data folder are not copied, but for the last lines of logs. As a last lock every text passes a mask made of
all secrets that the data folder holds.
"""

import io
import json
import os
import platform
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import yaml

from extensa.base.errors import ExtensaError, Refused
from extensa.base.home import Home
from extensa.base.masking import MASK, masker
from extensa.base.settings import manual
from extensa.cli import daemons, evidence
from extensa.cli.doctor import findings, line
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.log_lines import last_lines
from extensa.cli.session import Session
from extensa.cli.status import facts
from extensa.client import paths

_LINES = 2000
_MOST_EVIDENCE = 50
_SHORTEST_SECRET = 8
_SECRET_SETTING = re.compile(r"SECRET|TOKEN|PASSWORD|KEY", re.IGNORECASE)
_SECRET_FIELD = re.compile(r"secret|token|password|protected|kubeconfig|envelope|private", re.IGNORECASE)
_LARGEST_SECRET_FILE = 1024 * 1024
_CLUSTER_SECRETS = ("*.kubeconfig", "*.key", "*.pem", "encryption.yaml")

_Part = Callable[[Session], Iterator[tuple[str, str]]]


@click.command(
    "support-bundle",
    cls=Command,
    context_settings=CONTEXT,
    examples=[
        ("Pack it into this folder", "extensa support-bundle"),
        ("Say where to", "extensa support-bundle --output /tmp/extensa.tar.gz"),
    ],
)
@click.option(
    "--output",
    "-o",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The archive; by default extensa-support-TIME.tar.gz here.",
)
@click.pass_obj
def bundle(session: Session, /, output: Path | None) -> None:
    """Pack versions, settings, status, findings, last log lines and evidence of failures, without secrets."""
    session.as_owner = True
    target = output or Path(f"extensa-support-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    content = packed(session)
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Refused(
            "BundleNotWritten",
            f"{target} cannot be written: {error.strerror}.",
            target=str(target),
            next_step="Name another file with --output; one that exists is not replaced.",
        ) from error
    with os.fdopen(handle, "wb") as sink:
        sink.write(content)
    click.echo(f"{target} ({len(content) // 1024 + 1} KiB). Look through it before you hand it on.")


def packed(session: Session) -> bytes:
    """Return the archive."""
    hide = masker(secrets_of(session.home), shortest=_SHORTEST_SECRET) or str
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, text in _files(session):
            body = hide(text).encode()
            entry = tarfile.TarInfo(f"extensa-support/{name}")
            entry.size, entry.mode, entry.mtime = len(body), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(body))
    return sink.getvalue()


def secrets_of(home: Home) -> set[str]:
    """Return every secret that the data folder holds: what must not be in the archive whatever wrote it."""
    found: set[str] = set()
    for path in _secret_files(home):
        try:
            if path.stat().st_size > _LARGEST_SECRET_FILE:
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        document = _document(path, text)
        if document is None:
            found |= {part for part in text.split() if len(part) >= 2 * _SHORTEST_SECRET}
        else:
            found |= set(_leaves(document, ""))
    return found


def _document(path: Path, text: str) -> Any:
    """Return what a JSON or YAML file holds, None for any other."""
    try:
        return yaml.safe_load(text) if path.name.endswith(("kubeconfig", ".yaml")) else json.loads(text)
    except (ValueError, yaml.YAMLError):
        return None


def redacted(value: Any) -> Any:
    """Return a document with every field hidden whose name says that it is a secret."""
    if isinstance(value, list):
        return [redacted(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: MASK if isinstance(each, str) and each and _SECRET_FIELD.search(key) else redacted(each)
        for key, each in value.items()
    }


def _files(session: Session) -> Iterator[tuple[str, str]]:
    troubles: list[str] = []
    for name, part in _PARTS.items():
        try:
            yield from part(session)
        except (ExtensaError, OSError, KeyError, ValueError) as error:
            troubles.append(f"{name}: {error}")
    yield "not-in-here.txt", "\n".join(["Secrets, and values of protected settings.", *troubles, ""])


def _versions(_session: Session) -> Iterator[tuple[str, str]]:
    lines = [f"extensa {version('extensa')}", f"python {platform.python_version()}", platform.platform()]
    yield "versions.txt", "\n".join([*lines, ""])


def _settings(session: Session) -> Iterator[tuple[str, str]]:
    lines = [f"{name}={_setting(name, session.environ.get(name))}" for name, _, _ in manual()]
    yield "settings.txt", "\n".join([*lines, ""])


def _setting(name: str, value: str | None) -> str:
    if value is None:
        return "(default)"
    return MASK if _SECRET_SETTING.search(name) else re.sub(r"//[^/@]*@", f"//{MASK}@", value)


def _status(session: Session) -> Iterator[tuple[str, str]]:
    yield "status.json", _json(facts(session))


def _doctor(session: Session) -> Iterator[tuple[str, str]]:
    yield "doctor.txt", "\n".join([*(line(each) for each in findings(session)), ""])


def _logs(session: Session) -> Iterator[tuple[str, str]]:
    for name in daemons.NAMES:
        yield f"logs/{name}.log", "\n".join([*last_lines(session.home.log(name), _LINES), ""])


def _resources(session: Session) -> Iterator[tuple[str, str]]:
    arm, kept = session.arm, 0
    for cluster in arm.list(paths.clusters(session.subscription, None), paths.CLUSTERS_API):
        place = f"arm/{cluster['id'].split('/')[4]}/{cluster['name']}"
        yield f"{place}/cluster.json", _json(cluster)
        for extension in arm.list(paths.extensions(cluster["id"]), paths.EXTENSIONS_API):
            name = extension["name"]
            yield f"{place}/extensions/{name}.json", _json(extension)
            revisions = arm.post(f"{extension['id']}/listRevisions", paths.EXTENSIONS_API).body
            yield f"{place}/history/{name}.json", _json(revisions)
            listed = evidence.fetch_list(arm, extension["id"], patience=0)
            for each in listed["value"]:
                if kept < _MOST_EVIDENCE:
                    kept += 1
                    found = evidence.fetch(arm, extension["id"], each["id"])
                    yield f"{place}/evidence/{name}/{each['id']}.json", json.dumps(found, indent=1, ensure_ascii=False)
            if listed["value"]:
                newest = evidence.fetch(arm, extension["id"])
                yield f"{place}/evidence/{name}/diagnose.txt", evidence.screen(extension, listed, newest)


_PARTS: dict[str, _Part] = {
    "versions": _versions,
    "settings": _settings,
    "status": _status,
    "doctor": _doctor,
    "logs": _logs,
    "resources": _resources,
}


def _secret_files(home: Home) -> Iterator[Path]:
    yield from (home.owner_credential, home.token_cache, home.agent / "key", home.kubeconfig)
    yield from (home.link_credential(kind) for kind in ("host", "agent"))
    folders = ((home.keys, "*"), (home.azure_config, "*.json"), *((home.clusters, each) for each in _CLUSTER_SECRETS))
    for folder, pattern in folders:
        yield from (path for path in sorted(folder.rglob(pattern)) if path.is_file())


def _leaves(value: Any, name: str) -> Iterator[str]:
    """Give each text in a secret file that may be a secret; what its name says is none is left out."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, str(key))
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, name)
    elif isinstance(value, str) and not _PUBLIC_FIELD.search(name):
        yield value


_PUBLIC_FIELD = re.compile(
    r"endpoint|authority|name|tenant|client_?id|subscription|appid|expires|active|kind|^id$|url|environment|realm|target|"
    r"type|account|_at$|_on$|cloud|user$|state|^kid$|algorithm|server$|certificate|context|version",
    re.IGNORECASE,
)


def _json(value: Any) -> str:
    return json.dumps(redacted(value), indent=1, ensure_ascii=False) + "\n"

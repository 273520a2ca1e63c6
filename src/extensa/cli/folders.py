"""The doctor's checks of what lies on disk: the data folder, what it holds, and the programs in the cache.

They look and repair nothing; what a file means beyond being whole is for those who use it.
"""

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from extensa.base.errors import ExtensaError
from extensa.base.home import Home
from extensa.base.settings import Settings
from extensa.cli.finding import FAIL, OK, WARN, Finding

_OWNER = ("clientId", "clientSecret", "endpoint", "subscriptionId", "tenantId")
_LINK = ("endpoint", "name", "secret")
_FULL = 200 * 1024 * 1024
_TIGHT = 2 * 1024 * 1024 * 1024


def folder_is_ours(_settings: Settings, home: Home) -> Sequence[Finding]:
    """The data folder, or the nearest parent that is there, can be written, and others cannot read it."""
    there = home.path.exists()
    place = _nearest(home.path)
    subject = "data folder"
    if not place.is_dir():
        return [
            Finding(FAIL, subject, f"{place} is a file", "Choose another folder with EXTENSA_HOME.", "HomeUnusable")
        ]
    if (refusal := _refused(place)) is not None:
        advice = f"Make {place} writable for {_user()}, or choose another folder with EXTENSA_HOME."
        return [Finding(FAIL, subject, refusal, advice, "HomeNotWritable")]
    if there and stat.S_IMODE(home.path.stat().st_mode) & 0o077:
        return [Finding(WARN, subject, f"{home.path} can be read by others", f"chmod 700 {home.path}")]
    return [Finding(OK, subject, str(home.path) if there else f"{home.path} (not there yet)")]


def disk_has_room(_settings: Settings, home: Home) -> Sequence[Finding]:
    """The disk of the data folder has room for databases and logs."""
    place = _nearest(home.path)
    free = shutil.disk_usage(place).free
    amount = f"{free / 1024**3:.1f} GiB" if free >= 1024**3 else f"{free // 1024**2} MiB"
    found = f"{amount} free at {place}"
    if free < _FULL:
        advice = "Make room (df shows it; about 2 GiB are needed), or choose another folder with EXTENSA_HOME."
        return [Finding(FAIL, "disk", f"{found}: too little", advice, "DiskFull")]
    if free < _TIGHT:
        return [Finding(WARN, "disk", f"{found}: little", "Make room soon; clusters grow to some hundred MiB each.")]
    return [Finding(OK, "disk", found)]


def credentials_are_whole(_settings: Settings, home: Home) -> Sequence[Finding]:
    """What people and processes sign in with is there, and can be read."""
    if not home.database.exists():
        return []  # made at the first start
    files: dict[Path, Sequence[str]] = {home.link_credential(name): _LINK for name in ("host", "agent")}
    files[home.owner_credential] = _OWNER
    broken = [f"{file} ({why})" for file, names in files.items() if (why := _fault_in(file, names))]
    if broken:
        advice = "extensa up  (the server writes them anew)"
        return [Finding(FAIL, "credentials", f"not whole: {', '.join(broken)}", advice, "CredentialUnreadable")]
    return [Finding(OK, "credentials", "whole")]


def secrets_are_private(_settings: Settings, home: Home) -> Sequence[Finding]:
    """Files with secrets are readable for their owner only."""
    files = [*home.path.glob("credentials/*"), *home.path.glob("keys/*"), home.kubeconfig]
    loose = [f for f in files if f.is_file() and f.stat().st_mode & 0o077 and f.suffix not in (".crt", ".pub")]
    if loose:
        names = " ".join(str(f) for f in loose)
        return [Finding(FAIL, "secrets", f"readable by others: {names}", f"chmod 600 {names}", "SecretsExposed")]
    unreadable = [f for f in files if f.is_file() and not os.access(f, os.R_OK)]
    if unreadable:
        names = " ".join(str(f) for f in unreadable)
        advice = f"Make {_user()} their owner."
        return [Finding(FAIL, "secrets", f"not readable for {_user()}: {names}", advice, "SecretsUnreadable")]
    return [Finding(OK, "secrets", "private")]


def binaries_are_there(settings: Settings, home: Home) -> Sequence[Finding]:
    """The Kubernetes programs are there, or can be had."""
    del home
    from extensa.localcluster.binaries import last_failure, ready_binaries

    try:
        ready = ready_binaries(settings)
    except ExtensaError as error:
        return [Finding(FAIL, "kubernetes", error.message, error.next_step or "", error.code)]
    if ready is not None:
        return [Finding(OK, "kubernetes", f"{ready.version} in {ready.folder}")]
    if (refusal := _refused(settings.cache_path)) is not None:
        advice = "Make it writable, or choose another with XDG_CACHE_HOME; or name a folder that has the programs in "
        message = f"there is no room for the programs: {refusal}"
        return [Finding(FAIL, "kubernetes", message, f"{advice}EXTENSA_KUBERNETES_BINARIES.", "CacheUnusable")]
    if (failure := last_failure(settings)) is not None:
        message = f"the programs could not be made: {' '.join(failure.message.split())}"
        return [Finding(FAIL, "kubernetes", message, failure.next_step or "", failure.code)]
    go = "with Go from PATH" if shutil.which("go") else "with Go from the Python registry"
    return [
        Finding(WARN, "kubernetes", "programs are not there yet", f"extensa kubernetes install ({go}, about 8 minutes)")
    ]


def _nearest(folder: Path) -> Path:
    """Return ``folder``, or the nearest of its parents that is there."""
    return next(p for p in (folder, *folder.parents) if p.exists())


def _refused(folder: Path) -> str | None:
    """Return why ``folder`` (or, when it is not there, where it would be made) cannot be written; None when it can.

    A full disk is not meant: it has a check of its own.
    """
    place = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return None
        return f"{place} cannot be written: {(error.strerror or str(error)).lower()}"


def _fault_in(file: Path, names: Sequence[str]) -> str | None:
    """Return what is wrong with a file that should hold JSON with these text fields, None when nothing is."""
    try:
        kept = json.loads(file.read_bytes())
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError):
        return "unreadable"
    whole = isinstance(kept, dict) and all(isinstance(kept.get(name), str) and kept[name] for name in names)
    return None if whole else "incomplete"


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        return f"user {os.getuid()}"

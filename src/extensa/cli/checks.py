"""What can be wrong with this machine and this installation, one finding each, with a next step.

`extensa doctor` shows all of them and `extensa up` asks the first few before it starts anything. A check looks and
repairs nothing.
"""

import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from extensa.base.errors import ExtensaError, Problem, Unavailable
from extensa.base.home import Home
from extensa.base.settings import Settings
from extensa.cli import daemons, ports
from extensa.cli.log_lines import last_lines, pretty

OK, WARN, FAIL = "ok", "warn", "fail"
_LOG_LEVELS = ("debug", "info", "warning", "error")
_FULL = 200 * 1024 * 1024
_TIGHT = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: how serious, about what, what was found, and what to do about it."""

    level: str
    subject: str
    message: str
    next_step: str = ""
    code: str = ""


Check = Callable[[Settings, Home], Sequence[Finding]]


def platform_is_known(_settings: Settings, _home: Home) -> Sequence[Finding]:
    """Linux on amd64 is what is tested."""
    here = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    if platform.system() == "Linux" and platform.machine() in ("x86_64", "amd64"):
        return [Finding(OK, "platform", here)]
    return [Finding(WARN, "platform", f"{here}: only Linux on amd64 is tested", "See docs/faults.md.")]


def settings_make_sense(settings: Settings, home: Home) -> Sequence[Finding]:
    """Every setting can be read as what it means."""
    del home
    wrong = []
    try:
        settings.base_url  # noqa: B018 - reading it is the check
    except ValueError as error:
        wrong.append(str(error))
    if settings.log_level not in _LOG_LEVELS:
        wrong.append(f"EXTENSA_LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}, not {settings.log_level!r}")
    numbers = {"EXTENSA_HELM_PARALLEL": settings.helm_parallel, "EXTENSA_HELM_TIMEOUT": settings.helm_timeout}
    wrong += [f"{name} must be a whole number, not {value!r}" for name, value in numbers.items() if not value.isdigit()]
    advice = "Correct it; docs/settings.md lists every setting."
    found = [Finding(FAIL, "settings", message, advice, "SettingInvalid") for message in wrong]
    return found or [Finding(OK, "settings", "readable")]


def folder_is_ours(_settings: Settings, home: Home) -> Sequence[Finding]:
    """The data folder, or the nearest parent that is there, can be written, and others cannot read it."""
    there = home.path.exists()
    place = next(p for p in (home.path, *home.path.parents) if p.exists())
    subject = "data folder"
    if not place.is_dir():
        return [
            Finding(FAIL, subject, f"{place} is a file", "Choose another folder with EXTENSA_HOME.", "HomeUnusable")
        ]
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        advice = f"Make {place} writable for {_user()}, or choose another folder with EXTENSA_HOME."
        return [Finding(FAIL, subject, f"{place} cannot be written: {why}", advice, "HomeNotWritable")]
    if there and stat.S_IMODE(home.path.stat().st_mode) & 0o077:
        return [Finding(WARN, subject, f"{home.path} can be read by others", f"chmod 700 {home.path}")]
    return [Finding(OK, subject, str(home.path) if there else f"{home.path} (not there yet)")]


def disk_has_room(_settings: Settings, home: Home) -> Sequence[Finding]:
    """The disk of the data folder has room for databases and logs."""
    place = next(p for p in (home.path, *home.path.parents) if p.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < _FULL:
        return [Finding(FAIL, "disk", f"{found}: too little", "Make room; Extensa needs about 2 GiB.", "DiskFull")]
    if free < _TIGHT:
        return [Finding(WARN, "disk", f"{found}: little", "Make room soon; clusters grow to some hundred MiB each.")]
    return [Finding(OK, "disk", found)]


def port_is_free(settings: Settings, home: Home) -> Sequence[Finding]:
    """The server listens on its port, or it could."""
    try:
        address, port = settings.host_and_port
    except ValueError:
        return []  # told as a setting
    if daemons.running(home, "server") is not None:
        return [Finding(OK, "port", "held by this installation's server")]
    try:
        if not ports.taken(address, port):
            return [Finding(OK, "port", f"{settings.listen} is free")]
    except OSError as error:
        message = f"{settings.listen} cannot be listened on: {(error.strerror or str(error)).lower()}"
        return [Finding(FAIL, "port", message, "Choose an address of this machine: EXTENSA_LISTEN.", "ListenInvalid")]
    who = ports.holder(port) or "another program"
    advice = f"Stop it, or choose another port: EXTENSA_LISTEN={address}:{port + 1} extensa up"
    return [Finding(FAIL, "port", f"{settings.listen} is taken by {who}", advice, "PortTaken")]


def processes_live(_settings: Settings, home: Home) -> Sequence[Finding]:
    """Each process that was started still runs."""
    found = []
    for name in daemons.NAMES:
        now = daemons.running(home, name)
        if now is not None:
            state = "serves" if now.ready else "is starting"
            found.append(Finding(OK if now.ready else WARN, name, f"{state} (pid {now.pid})"))
        elif home.pid_file(name).exists():
            last = pretty((last_lines(home.log(name), 1) or ["nothing in its log"])[0])
            found.append(Finding(FAIL, name, f"died; its last words: {last[:200]}", "extensa up", "ProcessDied"))
        else:
            found.append(Finding(WARN, name, "does not run", "extensa up"))
    return found


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
    from extensa.localcluster.binaries import ready_binaries

    try:
        ready = ready_binaries(settings)
    except ExtensaError as error:
        return [Finding(FAIL, "kubernetes", error.message, error.next_step or "", error.code)]
    if ready is not None:
        return [Finding(OK, "kubernetes", f"{ready.version} in {ready.folder}")]
    go = "with Go from PATH" if shutil.which("go") else "with Go from the Python registry"
    return [
        Finding(WARN, "kubernetes", "programs are not there yet", f"extensa kubernetes install ({go}, about 8 minutes)")
    ]


BEFORE_START: Sequence[Check] = (settings_make_sense, folder_is_ours, disk_has_room, port_is_free)
"""What `extensa up` asks before it touches anything."""


def require(settings: Settings, home: Home, checks: Sequence[Check] = BEFORE_START) -> None:
    """Return quietly when none of ``checks`` fails; raises `Unavailable` with everything that does."""
    failed = [f for check in checks for f in check(settings, home) if f.level == FAIL]
    if not failed:
        return
    first = failed[0]
    details = [Problem(f.code, f.message, f.subject, f.next_step) for f in failed[1:]]
    message = first.message[0].upper() + first.message[1:] + "."
    raise Unavailable(first.code, message, target=first.subject, next_step=first.next_step, details=details)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        return f"user {os.getuid()}"

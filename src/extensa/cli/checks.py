"""The doctor's checks of machine, settings, port and processes; and what `extensa up` asks before it starts anything.

They look and repair nothing. What lies on disk is looked at in ``folders``, what depends on the time in ``trust``.
"""

import platform
from collections.abc import Sequence

from extensa.base.errors import Problem, Unavailable
from extensa.base.home import Home
from extensa.base.settings import Settings
from extensa.cli import daemons, folders, ports
from extensa.cli.finding import FAIL, OK, WARN, Check, Finding
from extensa.cli.log_lines import last_lines, pretty

_LOG_LEVELS = ("debug", "info", "warning", "error")


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
    try:
        settings.driver  # noqa: B018 - as above
    except ValueError as error:
        wrong.append(str(error))
    numbers = {"EXTENSA_HELM_PARALLEL": settings.helm_parallel or "4", "EXTENSA_HELM_TIMEOUT": settings.helm_timeout}
    wrong += [f"{name} must be a whole number, not {value!r}" for name, value in numbers.items() if not value.isdigit()]
    advice = "Correct it; docs/settings.md lists every setting."
    found = [Finding(FAIL, "settings", message, advice, "SettingInvalid") for message in wrong]
    return found or [Finding(OK, "settings", "readable")]


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
    other = f"{settings.listen.rpartition(':')[0]}:{ports.free_near(address, port)}"
    advice = f"Stop it, or choose another port: EXTENSA_LISTEN={other} extensa up"
    return [Finding(FAIL, "port", f"{settings.listen} is taken by {who}", advice, "PortTaken")]


def processes_live(_settings: Settings, home: Home) -> Sequence[Finding]:
    """Each process that was started still runs."""
    found = []
    for name in daemons.NAMES:
        now = daemons.running(home, name)
        if now is not None:
            state = "serves" if now.ready else "is starting"
            found.append(Finding(OK if now.ready else WARN, name, f"{state} (pid {now.pid})"))
        elif (said := daemons.last_said(home, name)) is not None:
            found.append(
                Finding(FAIL, name, f"could not run: {said.message}", said.next_step or "extensa up", said.code)
            )
        elif home.pid_file(name).exists():
            last = pretty((last_lines(home.log(name), 1) or ["nothing"])[0], trace=False)
            found.append(Finding(FAIL, name, f"died; last in its log: {last[:200]}", "extensa up", "ProcessDied"))
        else:
            found.append(Finding(WARN, name, "does not run", "extensa up"))
    return found


BEFORE_START: Sequence[Check] = (settings_make_sense, folders.folder_is_ours, folders.disk_has_room, port_is_free)
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

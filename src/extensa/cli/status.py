"""`extensa status`: which processes run, and what the ARM front says there is."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import click

from extensa.base.errors import ExtensaError
from extensa.cli import daemons, options
from extensa.cli.cluster_health import trouble
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.output import emit, table
from extensa.cli.session import Session
from extensa.client import paths
from extensa.client.token import owner_credential

_PROCESS_COLUMNS = ("Process", "State", "Pid", "Uptime", "Memory")


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples=[("Tell what runs", "extensa status"), ("For a script", "extensa status -o json")],
)
@options.output
@click.pass_obj
def status(session: Session, /) -> int:
    """Tell what runs, where, and what is on it; exit code 1 when a process is missing or something has failed."""
    session.as_owner = True
    found = facts(session)
    if session.asked_format in (None, "table"):
        click.echo(screen(found))
    else:
        emit(found, format=session.format, columns=(("Endpoint", "endpoint"), ("Home", "home")))
    return int(bool(found["problems"]) or any(p["state"] != "serves" for p in found["processes"]))


def facts(session: Session) -> dict[str, Any]:
    """Return what runs and what is on it; what cannot be asked is among its ``problems``."""
    processes = [_process(session, name) for name in daemons.NAMES]
    found: dict[str, Any] = {
        "endpoint": None,
        "home": str(session.home.path),
        "processes": processes,
        "clusters": None,
        "problems": [],
    }
    try:
        owner = owner_credential(session.home)
        found["endpoint"] = owner.endpoint if owner else None
        if all(p["state"] == "serves" for p in processes):
            found["clusters"] = _clusters(session, found["problems"])
    except ExtensaError as error:
        found["problems"].append(_problem(error.code, error.message, error.next_step or "extensa doctor"))
    if any(p["state"] == "died" for p in processes):
        found["problems"].append(_problem("ProcessDied", "A process has died.", "extensa up; extensa doctor says why."))
    return found


def screen(found: dict[str, Any]) -> str:
    """Return the status as people read it. Pure."""
    rows = [[_shown(p[key]) for key in ("name", "state", "pid", "uptime", "memory")] for p in found["processes"]]
    unknown = "(not known)" if found["problems"] else "(not set up yet: extensa up)"
    lines = [
        f"Endpoint     {found['endpoint'] or unknown}",
        f"Data folder  {found['home']}",
        "",
        table(_PROCESS_COLUMNS, rows),
    ]
    if found["clusters"]:
        rows = [[c["resourceGroup"], c["name"], c["state"], str(c["extensions"])] for c in found["clusters"]]
        lines += ["", table(("Group", "Cluster", "State", "Extensions"), rows)]
    elif found["clusters"] is not None:
        lines += ["", "No clusters."]
    for problem in found["problems"]:
        lines += ["", f"({problem['code']}) {problem['message']}", f"  next: {problem['nextStep']}"]
    return "\n".join(lines)


def _process(session: Session, name: str) -> dict[str, Any]:
    now = daemons.running(session.home, name)
    if now is None:
        state = "died" if session.home.pid_file(name).exists() else "stopped"
        return {"name": name, "state": state, "pid": None, "uptime": None, "memory": None}
    return {
        "name": name,
        "state": "serves" if now.ready else "starts",
        "pid": now.pid,
        "uptime": _uptime(now.ticks),
        "memory": _memory(now.pid),
    }


def _problem(code: str, message: str, next_step: str) -> dict[str, str]:
    return {"code": code, "message": message, "nextStep": next_step}


def _clusters(session: Session, problems: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the clusters, and put into ``problems`` what ails them."""
    found = []
    for cluster in session.arm.list(paths.clusters(session.subscription, None), paths.CLUSTERS_API):
        properties = cluster["properties"]
        power = (properties.get("powerState") or {}).get("code")
        done = properties.get("provisioningState") == "Succeeded"
        if (ill := trouble(cluster)) is not None:
            problems.append(_problem(ill.code, f"Cluster {ill.message}", ill.next_step))
        extensions = list(session.arm.list(paths.extensions(cluster["id"]), paths.EXTENSIONS_API))
        found.append(
            {
                "resourceGroup": cluster["id"].split("/")[4],
                "name": cluster["name"],
                "state": power if done and power else properties.get("provisioningState"),
                "extensions": _counted([e["properties"]["provisioningState"] for e in extensions]),
            }
        )
    return found


def _counted(states: list[str]) -> str:
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"


def _uptime(ticks: int) -> str:
    seconds = int(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def _memory(pid: int) -> str | None:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return f"{int(line.split()[1]) // 1024} MiB"
    return None


def _shown(value: Any) -> str:
    return "" if value is None else str(value)

"""Evidence of a failure as people read it, at three in the morning: the cause and what to do first, the rest below.

It fetches from the public API and lays out what it got; nothing is judged here.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from extensa.cli.output import Column, table
from extensa.client import paths
from extensa.client.arm import Arm
from extensa.client.errors import remedy_of

COLUMNS: tuple[Column, ...] = (
    ("Id", "id"),
    ("Time", "time"),
    ("Generation", "generation"),
    ("Step", "step"),
    ("Cause", "causeCode"),
    ("Target", "target"),
    ("Bytes", "size"),
)
_PATIENCE = 10.0
_MOST_EVENTS = 25
_TURN = 0.5
Piece = Mapping[str, Any]


def fetch_list(arm: Arm, path: str, *, patience: float = _PATIENCE, sleep: Callable[[float], None] = time.sleep) -> Any:
    """Return which evidence there is; what is on its way is waited for, ``patience`` seconds at the most."""
    deadline = time.monotonic() + patience
    while True:
        listed = arm.post(f"{path}/listEvidence", paths.EXTENSIONS_API).body or {"value": []}
        if not listed.get("awaited") or time.monotonic() >= deadline:
            return listed
        sleep(_TURN)


def fetch(arm: Arm, path: str, evidence_id: str = "") -> Any:
    """Return one piece of evidence, the newest when no id is given; raises `NotFound`."""
    query = {"id": evidence_id} if evidence_id else {}
    return arm.post(f"{path}/getEvidence", paths.EXTENSIONS_API, **query).body


def screen(extension: Piece, listed: Piece, kept: Piece | None, *, manifests: bool = False) -> str:
    """Return everything for a person to read. Pure."""
    properties = extension["properties"]
    state = properties.get("provisioningState")
    lines = [f"{extension['name']}  {properties.get('extensionType')}  {state}"]
    if kept is None:
        lines += ["", *_without(properties, listed)]
    else:
        lines += [*_cause(kept), *_act(kept), *_remedy(properties, kept)]
        if state == "Succeeded":
            lines += ["", "This failure is over: the extension has succeeded since."]
        lines += [*_objects(kept), *_events(kept), *_helm(kept), *_pods(kept)]
        if kept.get("notes"):
            lines += ["", "Not shown, or not to be had", *(f"  {note}" for note in kept["notes"])]
        if manifests:
            lines += ["", "Manifests (secrets hidden)", kept.get("manifests") or "  none"]
        lines += _more(listed, kept, manifests=manifests)
    return "\n".join(lines)


def _without(properties: Piece, listed: Piece) -> list[str]:
    said = [f"{each.get('code')}: {each.get('message')}" for each in properties.get("statuses") or ()]
    error = properties.get("errorInfo") or {}
    if error.get("message"):
        said.insert(0, str(error["message"]))
    if listed.get("awaited"):
        said.append("Evidence is on its way from the agent; ask again in a moment (`extensa doctor` if it stays away).")
    elif listed.get("lost"):
        said.append(f"The evidence was lost: {listed['lost']}")
    return said or ["No failure is known of it."]


def _cause(kept: Piece) -> list[str]:
    cause = kept["cause"]
    lines = ["", f"Cause   ({cause['code']}) {cause['message']}"]
    if cause.get("target"):
        lines.append(f"Object  {cause['target']}")
    if cause.get("nextStep"):
        lines.append(f"Next    {cause['nextStep']}")
    return lines


def _remedy(properties: Piece, kept: Piece) -> list[str]:
    """What was done after the failure, if it is the one that the extension still tells of."""
    error = properties.get("errorInfo") or {}
    causes = [each.get("info") or {} for each in error.get("additionalInfo") or () if each["type"] == "ExtensaFailure"]
    message = remedy_of(error)
    return [f"Done    {message}"] if message and any(c.get("code") == kept["cause"]["code"] for c in causes) else []


def _act(kept: Piece) -> list[str]:
    who = f", asked for by {kept['requestedBy']}" if kept.get("requestedBy") else ""
    version = f"{kept.get('extensionType')} {kept.get('extensionVersion')}"
    return [
        f"When    {_moment(kept['time'])}, at step {kept['cause']['step']} of generation {kept['generation']}{who}",
        f"What    {version}; correlation id {kept.get('correlationId') or 'not known'}",
        f"Then    {kept.get('followedBy')}",
    ]


def _objects(kept: Piece) -> list[str]:
    objects = kept.get("objects") or ()
    waiting = [each for each in objects if each["health"] != "Current"]
    count = kept.get("objectCount") or len(objects)
    if not objects:
        return ["", "What waited for what", "  There were no objects of a release."]
    lines = ["", f"What waited for what ({len(waiting)} of {count} not ready)"]
    for each in waiting:
        lines.append(
            f"  {each['kind']} {each['name']}  {each['health']}: waits for {each.get('waitsFor') or 'a status'}"
        )
        lines += [f"      {line}" for line in _conditions(each)]
    return lines if waiting else [*lines, "  Every object was ready."]


def _conditions(each: Piece) -> list[str]:
    return [
        f"{one['type']}={one['status']} {one.get('reason', '')} {one.get('message', '')}".rstrip()
        for one in each.get("conditions") or ()
    ]


def _events(kept: Piece) -> list[str]:
    events = kept.get("events") or ()
    lines = ["", "Events, the newest last"]
    if len(events) > _MOST_EVENTS:
        lines.append(f"  … {len(events) - _MOST_EVENTS} earlier ones: -o json")
    for each in events[-_MOST_EVENTS:]:
        times = f" ({each['count']} times)" if each.get("count", 1) > 1 else ""
        head = f"{each['time'][11:19]}  {each['type']:<7}  {each['reason']}  {each['object']}"
        lines.append(f"  {head}: {_one_line(each['message'])}{times}")
    return lines if events else [*lines, "  None."]


def _helm(kept: Piece) -> list[str]:
    raw = str(kept["cause"].get("raw") or "")
    record = kept.get("release") or {}
    lines = ["", "What Helm said"]
    lines += [f"  {line}" for line in raw.splitlines()] if raw else ["  Nothing: it was not Helm that failed."]
    if record.get("description"):
        lines.append(f"  its record: {_one_line(record['description'])}")
    if record.get("revisions"):
        rows = [[str(r["revision"]), r["status"], str(r.get("modified") or "")] for r in record["revisions"]]
        lines += ["", *(f"  {line}" for line in table(("Revision", "Status", "Modified"), rows).splitlines())]
    return lines


def _pods(kept: Piece) -> list[str]:
    lines = ["", "Pods"]
    for pod in kept.get("pods") or ():
        lines.append(f"  {pod['name']}  {pod['phase']}  {'on ' + pod['node'] if pod.get('node') else 'on no node'}")
        lines += [f"      {line}" for line in _conditions(pod) if "=True" not in line]
        for each in pod.get("containers") or ():
            lines += [f"      {line}" for line in _container(each)]
    return lines if kept.get("pods") else [*lines, "  None."]


def _container(each: Piece) -> Iterable[str]:
    code = f", exit code {each['exitCode']}" if each.get("exitCode") is not None else ""
    again = f", {each['restarts']} restarts" if each.get("restarts") else ""
    yield f"container {each['name']}: {each['state']} {each.get('reason', '')}".rstrip() + code + again
    if each.get("message"):
        yield f"    {_one_line(each['message'])}"
    if each.get("log"):
        yield from (f"    | {line}" for line in each["log"])
    elif each.get("logNote"):
        yield f"    {each['logNote']}"


def _more(listed: Piece, kept: Piece, *, manifests: bool) -> list[str]:
    others = [each for each in listed.get("value") or () if each["id"] != kept["id"]]
    lines = [""]
    if others:
        lines.append(f"{len(others)} other failures are kept: --list shows them, --id tells of one.")
    hint = "" if manifests else "--manifests shows what Helm rendered; "
    return [*lines, f"{hint}-o json gives everything."]


def _moment(text: str) -> str:
    return text[:19].replace("T", " ") + " UTC"


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""Agent pools: what a client may ask for, what the server fills in, and what the host is told. Pure.

Bounds are Azure's where nodes are only simulated too; a count is what costs memory on this machine.
"""

import re
from collections.abc import Sequence
from typing import Any

from extensa.base.errors import Problems
from extensa.link.cluster import NodePool

MOST_NODES = 1000
"""Nodes of one pool, as in Azure."""
MOST_POOLS = 100
DEFAULT_SIZE = "simulated"
_LINUX = re.compile(r"[a-z][a-z0-9]{0,11}")
_WINDOWS = re.compile(r"[a-z][a-z0-9]{0,5}")
_TARGET = "properties.agentPoolProfiles"
_SYSTEMS = ("Linux", "Windows")
_MODES = ("System", "User", "Gateway")
_CREATE_ONLY = ("vmSize", "osType")


def decide(asked: object, present: Sequence[dict[str, Any]], problems: Problems) -> list[dict[str, Any]]:
    """Return the pools that a cluster shall have after a PUT of ``asked``, defaults filled in.

    Without any asked for it keeps those ``present``, and a new cluster gets one. Adds every problem to ``problems``.
    """
    if asked is None:
        return list(present) or [_filled({"name": "nodepool1"}, None, first=True)]
    if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
        problems.add("InvalidParameter", "agentPoolProfiles must be a list of objects.", target=_TARGET)
        return list(present)
    if not 1 <= len(asked) <= MOST_POOLS:
        problems.add("InvalidParameter", f"A cluster has 1 to {MOST_POOLS} agent pools.", target=_TARGET)
        return list(present)
    before = {str(pool["name"]): pool for pool in present}
    pools = [_filled(each, before.get(str(each.get("name"))), first=n == 0) for n, each in enumerate(asked)]
    for place, pool in enumerate(pools):
        _check(pool, before.get(str(pool.get("name"))), f"{_TARGET}[{place}]", problems)
    _check_together(pools, problems)
    return pools


def node_pools(pools: Sequence[dict[str, Any]]) -> list[NodePool]:
    """Return what the host is told of ``pools``, which `decide` has filled in."""
    return [
        NodePool(
            name=pool["name"],
            count=pool["count"],
            os_type=pool["osType"],
            mode=pool["mode"],
            vm_size=pool["vmSize"],
            labels={str(key): str(value) for key, value in (pool.get("nodeLabels") or {}).items()},
        )
        for pool in pools
    ]


def _filled(pool: dict[str, Any], before: dict[str, Any] | None, *, first: bool) -> dict[str, Any]:
    """Return ``pool`` with what it leaves out, or gives as an empty string, taken from before or from the server."""
    defaults = {
        "count": pool.get("minCount", 1) if pool.get("enableAutoScaling") else 1,
        "vmSize": DEFAULT_SIZE,
        "osType": "Linux",
        "mode": "System" if first else "User",
        "type": "VirtualMachineScaleSets",
    }
    given = {key: value for key, value in pool.items() if key not in defaults or value not in ("", None)}
    kept = {key: before[key] for key in defaults if before is not None and key in before}
    return {**defaults, **kept, **given}


def _check(pool: dict[str, Any], before: dict[str, Any] | None, target: str, problems: Problems) -> None:
    name, count = pool.get("name"), pool["count"]
    pattern = _WINDOWS if pool["osType"] == "Windows" else _LINUX
    if not isinstance(name, str) or not pattern.fullmatch(name):
        longest = 6 if pattern is _WINDOWS else 12
        problems.add(
            "InvalidParameter",
            f"The agent pool name '{name}' is invalid: it must start with a lower-case letter and hold only lower-case "
            f"letters and digits, {longest} at the most.",
            target=f"{target}.name",
        )
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_NODES:
        problems.add(
            "InvalidParameter",
            f"The count of agent pool '{name}' must be a whole number from 0 to {MOST_NODES}, not '{count}'.",
            target=f"{target}.count",
        )
    for word, allowed in (("osType", _SYSTEMS), ("mode", _MODES)):
        if pool[word] not in allowed:
            problems.add(
                "InvalidParameter",
                f"The {word} of agent pool '{name}' may be {', '.join(allowed)}, not '{pool[word]}'.",
                target=f"{target}.{word}",
            )
    if not isinstance(pool["vmSize"], str) or not isinstance(pool.get("nodeLabels") or {}, dict):
        problems.add(
            "InvalidParameter", f"vmSize must be text and nodeLabels an object in agent pool '{name}'.", target=target
        )
    for word in _CREATE_ONLY if before is not None else ():
        if before is not None and pool[word] != before.get(word):
            problems.add(
                "PropertyChangeNotAllowed",
                f"Changing property '{word}' of agent pool '{name}' is not allowed.",
                target=f"{target}.{word}",
                next_step="Add a pool with another name and remove this one.",
            )


def _check_together(pools: Sequence[dict[str, Any]], problems: Problems) -> None:
    names = [pool.get("name") for pool in pools]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        problems.add("InvalidParameter", f"Agent pool names must be unique: {', '.join(twice)}.", target=_TARGET)
    if not any(pool["mode"] == "System" and pool["count"] != 0 for pool in pools):
        problems.add(
            "InvalidParameter",
            "There must be at least one agent pool of mode System with at least one node.",
            target=_TARGET,
        )

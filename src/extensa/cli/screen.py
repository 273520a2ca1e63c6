"""The one screen that `extensa up` ends with. Pure: facts in, text out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MOST_OBJECTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the screen tells: resources as the API showed them, seconds by step, how `extensa` is typed here."""

    endpoint: str
    home: str
    cluster: Mapping[str, Any]
    extensions: Sequence[Mapping[str, Any]]
    objects: Sequence[Mapping[str, Any]]
    seconds: Sequence[tuple[str, float]]
    command: str


def render(facts: Facts) -> str:
    """Return the screen, without a trailing line end."""
    return "\n".join(
        [
            "",
            f"Extensa is up: {facts.endpoint}   (data: {facts.home})",
            "",
            *_cluster(facts.cluster),
            *(line for extension in facts.extensions for line in _extension(extension)),
            *_objects(facts.objects),
            "",
            "Seconds: " + "   ".join(f"{step} {seconds:.1f}" for step, seconds in facts.seconds),
            "",
            "Try next:",
            f'  eval "$({facts.command} env)"',
            f"  kubectl get deployments,configmaps -n {_namespace(facts)}",
            "  extensa extension create -g demo -c demo -n second --extension-type extensa.hello -o table",
        ]
    )


def _cluster(cluster: Mapping[str, Any]) -> list[str]:
    properties = cluster["properties"]
    nodes = sum(pool.get("count") or 0 for pool in properties.get("agentPoolProfiles") or ())
    version = properties.get("currentKubernetesVersion") or properties.get("kubernetesVersion") or "?"
    power = (properties.get("powerState") or {}).get("code") or properties.get("provisioningState")
    return [f"  cluster    {cluster['name']:<10} Kubernetes {version}, {nodes} simulated nodes, {power}"]


def _extension(extension: Mapping[str, Any]) -> list[str]:
    properties = extension["properties"]
    version = properties.get("currentVersion") or properties.get("version") or "?"
    what = f"{properties['extensionType']} {version}, {properties['provisioningState']}"
    return [f"  extension  {extension['name']:<10} {what}"]


def _objects(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = objects[:_MOST_OBJECTS]
    width = max((len(str(o.get("kind", ""))) for o in shown), default=0)
    lines = []
    for each in shown:
        name = "/".join(str(part) for part in (each.get("namespace"), each.get("name")) if part)
        waits = f" (waits for {each['waitsFor']})" if each.get("waitsFor") else ""
        lines.append(f"  {'':10} {each.get('kind', '')!s:<{width}}  {name}  {each.get('health', '?')}{waits}")
    if len(objects) > len(shown):
        lines.append(f"  {'':10} and {len(objects) - len(shown)} more")
    return lines


def _namespace(facts: Facts) -> str:
    return next((str(o["namespace"]) for o in facts.objects if o.get("namespace")), "default")

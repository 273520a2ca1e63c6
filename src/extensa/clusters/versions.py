"""Which Kubernetes version a cluster gets: asked for, present, and what the host has. Pure.

Azure's rules where they make sense on one machine: an empty version means the server's choice, ``1.37`` means the
newest ``1.37.x``, nothing goes backwards.
"""

from collections.abc import Sequence

from extensa.base.errors import Problems

_TARGET = "properties.kubernetesVersion"


def resolve(asked: str, *, present: str, known: Sequence[str], cluster: str, problems: Problems) -> str:
    """Return the whole version to run: ``present`` is the cluster's own (empty for a new one), ``known`` are the
    host's, newest last (none while no host has spoken: then what is asked for is taken as it is).

    Adds to ``problems`` what the host does not have and what would go backwards.
    """
    wanted = asked.strip().removeprefix("v")
    if not wanted:
        return present or (known[-1] if known else "")
    if _means(wanted, present):
        return present
    found = next((each for each in reversed(known) if _means(wanted, each)), None) if known else wanted
    if found is None:
        problems.add(
            "K8sVersionNotSupported",
            f"Managed cluster {cluster} is asked for version {wanted}, which is not supported: its host has "
            f"{', '.join(known)}.",
            target=_TARGET,
            next_step=f"Leave kubernetesVersion out, or set it to {known[-1]}.",
        )
        return wanted
    if present and _order(found) < _order(present):
        problems.add(
            "OperationNotAllowed",
            f"Downgrading managed cluster {cluster} from version {present} to {found} is not allowed.",
            target=_TARGET,
            next_step="Make a new cluster with the older version.",
        )
    return found


def _means(wanted: str, version: str) -> bool:
    """Whether ``wanted``, whole or shortened at a dot, names ``version``."""
    return bool(version) and (version == wanted or version.startswith(wanted + "."))


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.partition("-")[0].split("."))

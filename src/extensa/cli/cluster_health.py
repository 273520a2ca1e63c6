"""What ails clusters, as the ARM front tells it: the code, the cause and what to do about it.

Apart from `status` and `doctor`, which both show it. It looks and repairs nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from extensa.base.errors import ExtensaError
from extensa.cli.finding import FAIL, OK, WARN, Finding
from extensa.cli.session import Session
from extensa.client import paths
from extensa.client.errors import problem_of


def clusters_are_well(session: Session) -> Sequence[Finding]:
    """No cluster has failed. Ask only when the front answers."""
    try:
        clusters = list(session.arm.list(paths.clusters(session.subscription, None), paths.CLUSTERS_API))
    except ExtensaError as error:
        return [Finding(WARN, "clusters", f"cannot be asked about: {error.message}", error.next_step or "", error.code)]
    found = [finding for each in clusters if (finding := trouble(each)) is not None]
    return found or [Finding(OK, "clusters", f"{len(clusters)}, none has failed")]


def trouble(cluster: Any) -> Finding | None:
    """Return what ails a cluster, given as ARM shows it; None when it has not failed."""
    properties = cluster["properties"]
    if properties.get("provisioningState") != "Failed":
        return None
    group, name = cluster["id"].split("/")[4], cluster["name"]
    where = f"extensa cluster show -g {group} -n {name} shows all of it."
    error = ((properties.get("status") or {}).get("provisioningError") or {}).get("error")
    if not isinstance(error, Mapping):
        return Finding(FAIL, "cluster", f"{group}/{name} has failed", where, "ClusterFailed")
    problem = problem_of(error)
    return Finding(FAIL, "cluster", f"{group}/{name}: {problem.message}", problem.next_step or where, problem.code)

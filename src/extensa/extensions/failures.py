"""How a failure reads on the wire: Azure's one long sentence, and our typed cause beside it.

Clients and runbooks know the grammar (contract §3.6), so the message keeps it to the letter; the cause, the object at
fault and the next step travel as ``additionalInfo``, where programs find them without parsing prose. The text that
comes in is already free of secrets (``masking``).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from extensa.arm.envelope import error_object
from extensa.clusters.model import Cluster
from extensa.extensions.model import State
from extensa.link.extension import Failure, Remedy

CODE = "ExtensionOperationFailed"
"""The code of every failed operation, as Azure has it; ours stands in ``additionalInfo``."""


@dataclass(frozen=True, slots=True)
class ServerCause:
    """One cause that only this side of the link can find: what is at fault, what it means, and what to do."""

    code: str
    fault: str
    words: str
    next_step: str


_CLUSTER = "the cluster: its resource id"
_ROWS = (
    ServerCause("ClusterStopped", _CLUSTER, "The extension's cluster is stopped.",
        "Start it (`az aks start`); the agent then goes on where it stands, without a new request."),
    ServerCause("ClusterGone", _CLUSTER, "The cluster was deleted while the operation ran.",
        "Create the cluster again, then the extension."),
    ServerCause("AgentNeverConnected", _CLUSTER, "The cluster's agent has never connected.",
        "Check that the agent runs and reaches this server (`extensa doctor`)."),
    ServerCause("AgentSilent", _CLUSTER, "The cluster's agent has been silent for three minutes or longer.",
        "Check that the agent runs and reaches this server (`extensa doctor`); it goes on where it stands."),
    ServerCause("AgentWithoutOutcome", _CLUSTER, "The agent is connected and has not said how it ended.",
        "Look at the agent's log for this correlation id (`extensa logs agent`), then retry."),
    ServerCause("ExtensionGone", "", "The extension was removed while the operation ran.",
        "Create it again if it is still wanted."),
    ServerCause("SealBroken", "the extension: its resource id",
        "The protected settings cannot be opened, so that no agent can be given them.",
        "If the database or the keys folder was put back from a copy, put back both from the same one; otherwise write "
        "the protected settings again."),
    ServerCause("ReasonUnknown", "", "The agent gave up without saying why.",
        "Look at the agent's log for this correlation id (`extensa logs agent`)."),
)  # fmt: skip
SERVER_CAUSES: dict[str, ServerCause] = {row.code: row for row in _ROWS}
"""The second table of causes, beside the one on the cluster's side (``helm/causes.py``); this room cannot load that."""

_TSG = "For general troubleshooting visit: https://aka.ms/k8s-extensions-TSG"
_LEADS = {
    State.CREATING: ("Helm installation failed", "Create", "InstallationFailed"),
    State.UPDATING: ("Helm Upgrade Failed", "Update", "UpgradeFailed"),
    State.DELETING: ("Helm Uninstall Failed", "Delete", "UninstallationFailed"),
}
_NAMES = {State.CREATING: "installation", State.UPDATING: "upgrade", State.DELETING: "removal"}
_LONGEST = 4000
_NO_ANSWER = frozenset({"ApiServerUnreachable", "ClusterNotFound"})
_SILENT = timedelta(minutes=3)


def status_code(doing: State) -> str:
    """Return the code of the ``statuses`` line that tells of a failure while ``doing``."""
    return _LEADS[doing][2]


def sentence(failure: Failure, doing: State) -> str:
    """Return the message for ``failure`` while ``doing``, in Azure's grammar; bounded in length."""
    if not failure.step:
        return f"The extension operation failed with the following error:  {failure.message} {_TSG}."
    lead, word, _ = _LEADS[doing]
    at_fault = f"{failure.target}: " if failure.target and failure.target not in failure.message else ""
    raw = failure.raw if len(failure.raw) <= _LONGEST else failure.raw[:_LONGEST] + " …"
    return (
        "The extension operation failed with the following error:  Error: [ InnerError: "
        f"[{lead} : {at_fault}{failure.message} : Recommendation {failure.next_step} : InnerError [{raw}]]] "
        f"occurred while doing the operation : [{word}] on the config. {_TSG}."
    )


def remedied(remedy: Remedy, doing: State) -> str:
    """Return what was done after a failure while ``doing``, in one sentence.

    "The upgrade failed and was rolled back to revision 3 (version 1.2.0)."
    """
    what = f"The {_NAMES[doing]} failed"
    version = f" (version {remedy.chart_version})" if remedy.chart_version else ""
    place = f" to revision {remedy.revision}{version}" if remedy.revision else version
    rollback = remedy.step == "rollback"
    if remedy.failure is None:
        return f"{what} and was rolled back{place}." if rollback else f"{what} and the release was uninstalled."
    act = f"rolling it back{place}" if rollback else "uninstalling the release"
    advice = f" {remedy.failure.next_step}" if remedy.failure.next_step else ""
    return f"{what}, and {act} failed, too: {remedy.failure.message}{advice}"


def error(failure: Failure, doing: State, remedy: Remedy | None = None) -> dict[str, Any]:
    """Return the ARM error object for ``failure``: what an operation ends with and ``errorInfo`` shows; ``remedy`` is
    what was done after it.
    """
    return error_object(
        CODE,
        sentence(failure, doing),
        target=failure.target or None,
        next_step=failure.next_step or None,
        info=[
            {
                "type": "ExtensaFailure",
                "info": {
                    "code": failure.code,
                    "message": failure.message,
                    "step": failure.step,
                    "target": failure.target,
                },
            },
            *([] if remedy is None else [_remedy(remedy, doing)]),
        ],
    )


def _remedy(remedy: Remedy, doing: State) -> dict[str, Any]:
    info: dict[str, Any] = {"step": remedy.step, "message": remedied(remedy, doing)}
    if remedy.revision:
        info["revision"] = remedy.revision
    if remedy.chart_version:
        info["version"] = remedy.chart_version
    if remedy.failure is not None:
        told = remedy.failure
        info["failure"] = {"code": told.code, "message": told.message, "target": told.target}
    return {"type": "ExtensaRemedy", "info": info}


def unanswered(cluster: Cluster, progress: str, now: datetime) -> Failure:
    """Return why an operation on ``cluster`` got no outcome in time: what can be known from this side of the link."""
    power = str(cluster.power).casefold()
    if power == "stopped":
        return found(
            "ClusterStopped", f"The cluster '{cluster.name}' is stopped, so its agent could not act.", cluster.id
        )
    seen = cluster.agent_last_seen
    if seen is None:
        return found("AgentNeverConnected", "No response from the agent in time: it has never connected.", cluster.id)
    if now - seen > _SILENT:
        since = f"{seen:%Y-%m-%dT%H:%M:%SZ}"
        return found(
            "AgentSilent", f"No response from the agent in time: it has been silent since {since}.", cluster.id
        )
    words = "The agent is connected but reported no outcome in time"
    said = f"{words}; the last it said: {progress}" if progress else f"{words}."
    return found("AgentWithoutOutcome", said, cluster.id)


def from_here(failure: Failure, cluster: Cluster | None) -> Failure:
    """Return what an agent's failure is when this side knows more of its cluster: one that is stopped cannot answer."""
    if failure.code not in _NO_ANSWER or cluster is None or str(cluster.power).casefold() != "stopped":
        return failure
    message = f"The cluster '{cluster.name}' is stopped, so its API does not answer."
    return replace(found("ClusterStopped", message, cluster.id), step=failure.step, raw=failure.raw)


def found(code: str, message: str = "", target: str = "") -> Failure:
    """Return the failure of this ``code``; without a message the cause's own words. Raises `KeyError` for no row."""
    row = SERVER_CAUSES[code]
    return Failure(code=code, message=message or row.words, step="", target=target, next_step=row.next_step)

"""A model → the JSON of any api-version, in the key order and with the nulls of recorded traffic (contract §1.3).

Runs on every GET, so it builds plain dictionaries and nothing else. It shows the names of protected settings and never
has their values to show.
"""

from typing import Any

from extensa.arm import system_data
from extensa.base.clock import arm_time
from extensa.extensions import policies
from extensa.extensions.model import TYPE, Extension, Plan, UpgradeMode
from extensa.extensions.versions.shape import Shape
from extensa.link.extension import Phase, Status

_WORDS = {
    Phase.READY: "Ready",
    Phase.WORKING: "Progressing",
    Phase.FAILED: "Failed",
    Phase.GONE: "Removed",
    Phase.HELD: "Held",
}


def render(extension: Extension, shape: Shape) -> dict[str, Any]:
    """Return the body that answers for ``extension`` at ``shape``'s api-version."""
    body: dict[str, Any] = {
        "id": extension.id,
        "name": extension.name,
        "type": TYPE,
        "properties": _properties(extension, shape),
        "systemData": system_data.rendered(extension.system_data, names=False),
    }
    if extension.identity is not None:
        body["identity"] = {"type": extension.identity.type, "principalId": extension.identity.principal_id}
    if shape.plan and extension.plan is not None:
        body["plan"] = _plan(extension.plan)
    if shape.management and extension.managed_by is not None:
        body["managedBy"] = extension.managed_by
    return body


def _properties(extension: Extension, shape: Shape) -> dict[str, Any]:
    body: dict[str, Any] = {
        "extensionType": extension.extension_type,
        "autoUpgradeMinorVersion": extension.mode is not UpgradeMode.NONE,
    }
    if shape.management:
        body["autoUpgradeMode"] = extension.mode
    body["releaseTrain"] = extension.release_train
    body["version"] = extension.pinned if shape.version_is_the_pin else extension.version
    if shape.current_version:
        body["currentVersion"] = extension.version
    body["scope"] = (
        {"namespace": {"targetNamespace": extension.namespace}}
        if extension.namespace_scoped
        else {"cluster": {"releaseNamespace": extension.namespace}}
    )
    body["provisioningState"] = extension.state
    body["configurationSettings"] = extension.settings
    body["configurationProtectedSettings"] = dict.fromkeys(extension.protected.keys, "") if extension.protected else {}
    body["statuses"] = [_status(status) for status in extension.statuses]
    if extension.error is not None:
        body["errorInfo"] = extension.error
    body["aksAssignedIdentity"] = None
    if shape.current_version:
        body["isSystemExtension"] = False
    if shape.management:
        body["additionalDetails"] = {"docs": None, "releaseNotes": None, "troubleshootingGuide": None}
        body["extensionState"] = _state(extension)
    return body | _ours(extension)


def _ours(extension: Extension) -> dict[str, Any]:
    """What Azure does not have: shown, at every api-version, only where there is something to show."""
    shown = policies.rendered(extension.policies)
    if extension.paused:
        shown["paused"] = True
    seen = extension.observed
    if seen is not None and seen.drift_count and seen.generation == extension.generation:
        shown["drift"] = {"count": seen.drift_count}
    return shown


def _status(status: Status) -> dict[str, Any]:
    return {
        "code": status.code,
        "displayStatus": None,
        "level": status.level,
        "message": status.message,
        "time": None if status.time is None else arm_time(status.time),
    }


def _state(extension: Extension) -> str | None:
    seen = extension.observed
    return None if seen is None or seen.generation != extension.generation else _WORDS[seen.phase]


def _plan(plan: Plan) -> dict[str, str]:
    body = {"name": plan.name, "publisher": plan.publisher, "product": plan.product}
    if plan.promotion_code is not None:
        body["promotionCode"] = plan.promotion_code
    if plan.version is not None:
        body["version"] = plan.version
    return body

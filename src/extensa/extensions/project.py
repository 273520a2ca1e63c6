"""What an agent is asked for: the desired document of an extension, from the extension alone.

Because nothing else goes in, the fast path and the night watch cannot drift apart: the sweep projects every extension
again and puts right what a feed lacks. Protected settings travel beside the document, in their envelope, until the
moment it is served.
"""

from typing import Any

from msgspec import Struct

from extensa.extensions.model import Extension
from extensa.link.extension import DesiredExtension, Presence


class AtRest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A feed row: the desired document without protected settings, and their Vault envelope with its binding."""

    desired: DesiredExtension
    envelope: str | None = None
    seal: str = ""


def project(extension: Extension) -> AtRest:
    """Return the desired document that ``extension`` stands for, as it is kept in the feed."""
    absent = extension.presence is Presence.ABSENT
    secret = None if absent else extension.protected
    return AtRest(
        desired=DesiredExtension(
            uid=extension.uid,
            generation=extension.generation,
            resource_id=extension.id,
            cluster_uid=extension.cluster_uid,
            presence=extension.presence,
            release=extension.release,
            namespace=extension.namespace,
            create_namespace=not absent,
            extension_type=extension.extension_type,
            extension_version=extension.version,
            chart=None if absent else extension.chart,
            settings={} if absent else extension.settings,
            protected=None,
            injected={} if absent else _injected(extension),
            correlation_id=extension.correlation_id,
            operation_id=extension.operation_id,
            namespace_scoped=extension.namespace_scoped,
            timeout=extension.timeout,
            failure_policy=extension.policies.failure,
            drift_policy=extension.policies.drift,
            hold=extension.hold,
            adopt=extension.policies.adopt,
            delete_crds=absent and extension.delete_crds,
            remove_finalizers=absent and extension.remove_finalizers,
        ),
        envelope=None if secret is None else secret.envelope,
        seal="" if secret is None else extension.seal,
    )


def _injected(extension: Extension) -> dict[str, Any]:
    """The values Azure gives to marketplace charts, and those the chart asks for; any other chart gets none, for its
    schema may refuse them.
    """
    found: dict[str, Any] = {}
    if extension.plan is not None:
        found["azure"] = {
            "extension": {"resourceId": extension.id},
            "marketplace": {"planId": extension.plan.name},
        }
    if extension.chart is not None and "protectedKeys" in extension.chart.asks:
        found["extensa"] = {"protectedKeys": list(extension.protected.keys) if extension.protected is not None else []}
    return {"global": found} if found else {}

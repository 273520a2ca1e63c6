"""The routes that belong to no resource type, one line each; every public one is marked here and nowhere else.

``/metrics`` and ``/openapi.json`` are public because the front listens on loopback unless told otherwise, and neither
names a resource; whoever listens wider puts a proxy before them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from extensa.edge.exchange import LARGEST_BODY, Access, Handler, Route
from extensa.edge.handlers.health import HealthHandler
from extensa.edge.handlers.link import LARGEST_REPORT, ROOM_FOR_ANSWER, LinkHandler
from extensa.edge.handlers.login import LARGEST_FORM, LoginHandler
from extensa.edge.handlers.metadata import MetadataHandler
from extensa.edge.handlers.metrics import MetricsHandler
from extensa.edge.handlers.openapi import OpenApiHandler
from extensa.edge.handlers.operations import OperationHandler
from extensa.edge.handlers.provider_operations import ProviderOperationsHandler
from extensa.edge.handlers.providers import ProviderHandler
from extensa.edge.handlers.publish import LARGEST_CHART, PUBLISHED, PublishHandler
from extensa.edge.handlers.resource_list import ResourceListHandler
from extensa.edge.resource_routes import CLUSTER, GROUP, SUBSCRIPTION

_PROVIDER = SUBSCRIPTION + "/providers/{resourceProviderNamespace}"
_ACTIONS = "/providers/{resourceProviderNamespace}/operations"
_EXTENSION_OPERATION = (
    CLUSTER + "/providers/Microsoft.KubernetesConfiguration/extensions/{extensionName}/operations/{operationId}"
)
_LOCATED_OPERATION = _PROVIDER + "/locations/{location}/operations/{operationId}"
_OPERATION_RESULT = SUBSCRIPTION + "/operationresults/{operationId}"
_VERSION = (
    SUBSCRIPTION
    + "/providers/Microsoft.KubernetesConfiguration/extensionTypes/{extensionTypeName}/versions/{versionName}"
)
_POLL = "Poll an operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """Who serves the routes of this file."""

    health: HealthHandler
    link: LinkHandler
    login: LoginHandler
    metadata: MetadataHandler
    metrics: MetricsHandler
    openapi: OpenApiHandler
    operations: OperationHandler
    provider_operations: ProviderOperationsHandler
    providers: ProviderHandler
    publish: PublishHandler
    resources: ResourceListHandler


def fixed_routes(by: Handlers) -> Iterator[Route]:
    """Give every route that no type brings."""
    yield from _public_routes(by)
    yield from _login_routes(by.login)
    yield from _subscription_routes(by)
    yield from _link_routes(by.link)


def _public_routes(by: Handlers) -> Iterator[Route]:
    for path, does, name, summary in (
        ("/healthz", by.health.live, "health.live", "Whether the process answers"),
        ("/readyz", by.health.ready, "health.ready", "Whether every part it needs works"),
        ("/metrics", by.metrics.show, "metrics", "Counters, in Prometheus' text format"),
        ("/openapi.json", by.openapi.show, "openapi", "This description"),
        ("/metadata/endpoints", by.metadata.endpoints, "metadata", "Where to sign in, where ARM is"),
    ):
        yield _public("GET", path, does, name=name, summary=summary)


def _login_routes(login: LoginHandler) -> Iterator[Route]:
    well_known = ".well-known/openid-configuration"
    for path, does, name, summary in (
        (f"v2.0/{well_known}", login.discovery_v2, "login.discovery", "OpenID configuration (v2.0)"),
        (well_known, login.discovery_v1, "login.discovery", "OpenID configuration (v1 and ADFS)"),
        ("discovery/v2.0/keys", login.keys, "login.keys", "Token signing keys"),
        ("discovery/keys", login.keys, "login.keys", "Token signing keys (v1 and ADFS)"),
    ):
        yield _public("GET", f"/{{tenant}}/{path}", does, name=name, summary=summary)
    for path in ("oauth2/v2.0/token", "oauth2/token"):
        template = f"/{{tenant}}/{path}"
        yield _public(
            "POST", template, login.token, name="login.token", summary="Get a token", largest_body=LARGEST_FORM
        )


def _subscription_routes(by: Handlers) -> Iterator[Route]:
    for method, template, name, verb, cut, summary, does in (
        ("GET", "/tenants", "tenants", "list", None, "List tenants", by.providers.tenants),
        ("GET", _ACTIONS, "providers", "operations", None, "What roles can allow", by.provider_operations.show),
        ("GET", f"{SUBSCRIPTION}/locations", "locations", "list", 1, "List regions", by.providers.locations),
        ("GET", f"{SUBSCRIPTION}/providers", "providers", "list", 1, "List resource providers", by.providers.list),
        ("GET", _PROVIDER, "providers", "get", 2, "Get a resource provider", by.providers.get),
        ("POST", f"{_PROVIDER}/register", "providers", "register", 3, "Register a provider", by.providers.register),
        ("GET", f"{SUBSCRIPTION}/resources", "resources", "list", 1, "List all resources", by.resources.list),
        ("GET", f"{GROUP}/resources", "resources", "list", 1, "List a group's resources", by.resources.list),
        ("GET", _EXTENSION_OPERATION, "operations", "get", None, _POLL, by.operations.under_resource),
        ("GET", _LOCATED_OPERATION, "operations", "get", None, _POLL, by.operations.under_location),
        ("GET", _OPERATION_RESULT, "operations", "get", None, _POLL, by.operations.result),
    ):
        yield Route(method=method, template=template, name=name, verb=verb, cut=cut, summary=summary, handler=does)
    yield Route(
        method="PUT",
        template=_VERSION,
        name=PUBLISHED,
        verb="publish",
        handler=by.publish.publish,
        summary="Publish a version of an extension type; the body is the chart archive",
        cut=0,
        largest_body=LARGEST_CHART,
    )


def _link_routes(link: LinkHandler) -> Iterator[Route]:
    for method, path, verb, summary, does, largest in (
        ("GET", "extensions", "feed", "Extensions that are new to an agent", link.extensions, LARGEST_BODY),
        (
            "POST",
            "extensions",
            "report",
            "What an agent has seen of extensions",
            link.observe_extensions,
            LARGEST_REPORT,
        ),
        ("GET", "clusters", "feed", "Clusters that are new to a host", link.clusters, LARGEST_BODY),
        ("POST", "clusters", "report", "What a host has seen of clusters", link.observe_clusters, LARGEST_REPORT),
        ("GET", "questions", "feed", "Questions that are new to an agent", link.questions, LARGEST_BODY),
        ("POST", "answers", "report", "An answer to a question", link.answer, ROOM_FOR_ANSWER),
        ("GET", "charts/{digest}", "get", "A chart archive, by its digest", link.chart, LARGEST_BODY),
    ):
        yield Route(
            method=method,
            template=f"/link/v1/{path}",
            name=f"link.{path.partition('/')[0]}",
            verb=verb,
            handler=does,
            summary=summary,
            access=Access.LINK,
            arm=False,
            largest_body=largest,
        )


def _public(
    method: str, template: str, handler: Handler, *, name: str, summary: str, largest_body: int = LARGEST_BODY
) -> Route:
    return Route(
        method=method,
        template=template,
        name=name,
        verb=method.lower(),
        handler=handler,
        summary=summary,
        access=Access.PUBLIC,
        arm=False,
        largest_body=largest_body,
    )

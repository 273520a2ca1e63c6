"""The front, put together: one route table, one list of middleware, one ASGI application.

Reads top to bottom: what is handed in, what is served, what every request passes through, and the handler at the end of
the way. Nothing is chosen here; ``entry/server.py`` chooses.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from extensa.arm.binding import Binding
from extensa.base.clock import Clock, utc_now
from extensa.edge import port
from extensa.edge.exchange import Route, of
from extensa.edge.fixed_routes import Handlers, fixed_routes
from extensa.edge.handlers.health import HealthHandler, Probe
from extensa.edge.handlers.link import LinkHandler
from extensa.edge.handlers.login import LoginHandler
from extensa.edge.handlers.metadata import MetadataHandler
from extensa.edge.handlers.metrics import Family, MetricsHandler, Reading
from extensa.edge.handlers.openapi import OpenApiHandler
from extensa.edge.handlers.operations import OperationHandler
from extensa.edge.handlers.provider_operations import ProviderOperationsHandler
from extensa.edge.handlers.providers import ProviderHandler
from extensa.edge.handlers.publish import PUBLISHED, PublishHandler
from extensa.edge.handlers.resource import ResourceHandler
from extensa.edge.handlers.resource_list import ResourceListHandler
from extensa.edge.holds import Holds
from extensa.edge.meters import Meters
from extensa.edge.middleware.access_log import AccessLog
from extensa.edge.middleware.authentication import Authentication
from extensa.edge.middleware.body_limit import BodyLimit
from extensa.edge.middleware.correlation import Correlation
from extensa.edge.middleware.errors import Errors
from extensa.edge.middleware.routing import Routing
from extensa.edge.middleware.security_headers import SecurityHeaders
from extensa.edge.resource_routes import resource_routes
from extensa.edge.routes import RouteTable
from extensa.edge.sending import send_reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """The rooms below, as the front sees them (`extensa.edge.port`)."""

    bindings: Sequence[Binding]
    identity: port.Authority
    operations: port.Operations
    providers: port.Providers
    directory: port.Directory
    everything: port.Everything
    clusters: port.Clusters
    extensions: port.Extensions
    questions: port.Questions
    charts: port.Charts
    publisher: port.Publisher
    probes: Mapping[str, Probe] = field(default_factory=dict)
    gauges: Mapping[str, tuple[str, Reading]] = field(default_factory=dict)
    families: Mapping[str, Family] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Front:
    """The finished front: the ASGI ``app``, its route ``table``, and the requests it ``holds`` open."""

    app: ASGIApp
    table: RouteTable
    holds: Holds


def build_app(rooms: Rooms, *, base_url: str, clock: Clock = utc_now) -> Front:
    """Return the front over ``rooms``; ``base_url`` stands in every absolute URL that it gives out."""
    meters, holds = Meters(), Holds()
    openapi, actions = OpenApiHandler(), ProviderOperationsHandler()
    table = RouteTable(_routes(rooms, openapi, actions, meters, holds, base_url=base_url, clock=clock))
    openapi.write(table, base_url=base_url)
    actions.write(table)
    challenge = f'Bearer authorization_uri="{base_url}/{rooms.identity.tenant_id}", error="invalid_token"'
    middleware: list[Callable[[ASGIApp], ASGIApp]] = [  # outermost first
        Correlation,
        lambda app: AccessLog(app, meters=meters),
        lambda app: SecurityHeaders(app, base_url=base_url),
        lambda app: Errors(app, challenge=challenge, clock=clock),
        lambda app: Routing(app, table=table),
        lambda app: Authentication(app, authority=rooms.identity),
        BodyLimit,
    ]
    app: ASGIApp = serve
    for wrap in reversed(middleware):
        app = wrap(app)
    return Front(app, table, holds)


async def serve(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the exchange carries it
    """Call the handler of the route that was found, and send what it gives back."""
    exchange = of(scope)
    await send_reply(exchange, await exchange.matched().route.handler(exchange), send)


def _routes(
    rooms: Rooms,
    openapi: OpenApiHandler,
    actions: ProviderOperationsHandler,
    meters: Meters,
    holds: Holds,
    *,
    base_url: str,
    clock: Clock,
) -> Iterator[Route]:
    """Give every route: those of no type, and those of every type."""
    authority = rooms.identity
    handlers = Handlers(
        health=HealthHandler(rooms.probes),
        link=LinkHandler(
            clusters=rooms.clusters,
            extensions=rooms.extensions,
            questions=rooms.questions,
            charts=rooms.charts,
            holds=holds,
            clock=clock,
        ),
        login=LoginHandler(authority),
        metadata=MetadataHandler(base_url=base_url, tenant_id=authority.tenant_id),
        metrics=MetricsHandler(meters, {**rooms.gauges, **_own_gauges(holds)}, rooms.families),
        openapi=openapi,
        operations=OperationHandler(rooms.operations, authority=authority, holds=holds, base_url=base_url),
        provider_operations=actions,
        providers=ProviderHandler(rooms.providers, directory=rooms.directory, authority=authority),
        publish=PublishHandler(
            rooms.publisher,
            authority=authority,
            directory=rooms.directory,
            api_versions=[v for each in rooms.bindings if each.spec.type == PUBLISHED for v in each.spec.api_versions],
            base_url=base_url,
        ),
        resources=ResourceListHandler(rooms.everything, authority=authority, base_url=base_url),
    )
    yield from fixed_routes(handlers)
    yield from _type_routes(rooms, base_url)


def _type_routes(rooms: Rooms, base_url: str) -> Iterator[Route]:
    for binding in rooms.bindings:
        handler = ResourceHandler(binding, authority=rooms.identity, base_url=base_url)
        yield from resource_routes(binding.spec, handler)


def _own_gauges(holds: Holds) -> dict[str, tuple[str, Reading]]:
    async def held() -> float:
        return len(holds)

    return {"extensa_requests_held": ("Requests held open until there is something to say.", held)}

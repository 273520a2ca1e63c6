"""`extensa server`: the control plane, put together and run. Reads top to bottom.

This is where it is chosen what is real: the database, the clock, the certificates, the rooms and who knows whom. The
process dials nobody and starts nobody; it ends at SIGTERM. What keeps it from starting is told plainly on standard
error, with what to do about it.
"""

import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import uvloop

from extensa.arm.binding import Binding, Caller
from extensa.arm.operations import RETENTION
from extensa.base import log
from extensa.base.clock import Clock, steady, utc_now
from extensa.base.home import Home
from extensa.base.settings import Settings, load_settings
from extensa.base.tasks import Periodic, TaskGroup
from extensa.catalog.service import Catalog
from extensa.clusters.questions import Questions
from extensa.clusters.service import Clusters
from extensa.edge import tls
from extensa.edge.app import Front, Rooms, build_app
from extensa.edge.handlers.health import Probe
from extensa.edge.handlers.metrics import Family, Reading
from extensa.edge.serving import Forwarding, bind, serve
from extensa.entry.own_process import claimed, guarded, reading_settings, write_pid_file
from extensa.extensions.evidence import Collector
from extensa.extensions.service import Extensions
from extensa.extensions.tally import TALLY_SAYS, Tally
from extensa.identity.service import Identity
from extensa.resources.cascade import Cascade
from extensa.resources.gateway import BindingsGateway
from extensa.resources.groups import Groups
from extensa.resources.locations import NAMES
from extensa.resources.operations import Operations
from extensa.resources.placement import Placed
from extensa.resources.providers import Providers
from extensa.resources.resource_list import ResourceList
from extensa.resources.subscriptions import Subscriptions
from extensa.store.port import Store
from extensa.store.sqlite import open_store
from extensa.store.vault import load_vault

PROCESS = "server"
_HALF_A_DAY = 12 * 3600.0
_log = log.get_logger("server")


def main() -> int:
    """Run the control plane until it is told to end; return 0, or 1 when it could not start."""
    settings = load_settings(os.environ)

    def work(home: Home) -> None:
        with reading_settings():
            plan = _plan(settings, home)
        logging.getLogger().addHandler(Forwarding())
        uvloop.run(run(plan, environ=os.environ, clock=settings.clock))

    return guarded(PROCESS, settings, work)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the settings ask for, read and found possible."""

    home: Home
    base_url: str
    address: str
    port: int
    plain: bool
    release_timeout: int


def _plan(settings: Settings, home: Home) -> Plan:
    """Return what ``settings`` ask for; raises `ValueError` for one that makes no sense."""
    address, port = settings.host_and_port
    timeout = settings.helm_timeout
    if not timeout.isdecimal() or int(timeout) == 0:
        raise ValueError(f"EXTENSA_HELM_TIMEOUT must be a whole number of seconds, not {timeout!r}")
    return Plan(home, settings.base_url, address, port, settings.plain, int(timeout))


async def run(plan: Plan, *, environ: Mapping[str, str], clock: Clock = utc_now) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ExtensaError` and `OSError` for what keeps it from starting."""
    home = plan.home
    async with AsyncExitStack() as stack:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack.enter_context(claimed(home, PROCESS))
        listener = stack.enter_context(bind(plan.address, plan.port))
        store = await open_store(home.database, clock=clock)
        stack.push_async_callback(store.close)
        house = await assemble(store, plan, clock=clock)
        context, sweeps = None, [*house.sweeps]
        if not plan.plain:
            names = tls.names_of(base_url=plan.base_url, address=plan.address)
            certificate = tls.FrontCertificate(home, names, clock=clock, environ=environ)
            context = certificate.context
            sweeps.append(Periodic("certificate", certificate.renew, interval=_HALF_A_DAY))
        background = TaskGroup()
        stack.push_async_callback(background.close)
        for sweep in sweeps:
            background.start(sweep.run(), name="sweep")
        gc.freeze()  # what is here now stays: no collection need look at it again

        def ready() -> None:
            write_pid_file(home, PROCESS)
            if sys.stdout.isatty():
                sys.stdout.write(f"Extensa serves {plan.base_url}; its data is in {home.path}. Ctrl-C ends it.\n")
            _log.info("serving", url=plan.base_url, address=plan.address, port=plan.port, home=str(home.path))

        def ending() -> None:
            _log.info("ending", held=len(house.front.holds))
            house.front.holds.end()

        await serve(house.front.app, listener, tls=context, ready=ready, ending=ending)
    _log.info("ended")


@dataclass(frozen=True, slots=True)
class House:
    """The control plane, ready to be served: its front, and what is done now and then."""

    front: Front
    identity: Identity
    sweeps: Sequence[Periodic]


async def assemble(store: Store, plan: Plan, *, clock: Clock) -> House:
    """Return the control plane over ``store``: every room, and who knows whom. Raises what the rooms raise."""
    home, base_url = plan.home, plan.base_url
    vault = load_vault(home.keys)
    identity = await Identity.open(store, home, base_url=base_url, clock=clock)
    subscription, tenant = identity.subscription_id, identity.tenant_id
    even = steady(clock)
    clusters = await Clusters.open(store, vault, home.keys, tenant_id=tenant, clock=clock, steady=even)
    questions = Questions(store, clusters.heartbeats, clock=clock)
    catalog = Catalog(store, clusters=clusters, clock=clock, regions=NAMES)
    collector = Collector(store, vault, questions, clock=clock)
    collecting = Periodic("evidence", collector.turn, interval=10.0)
    extensions = Extensions(
        store,
        vault,
        clusters=clusters,
        catalog=catalog,
        questions=questions,
        clock=clock,
        steady=even,
        timeout=plan.release_timeout,
        evidence_due=collecting.wake,
    )
    inside = [*clusters.bindings, *extensions.bindings, *catalog.bindings]
    keeper = Caller(identity.owner_object_id, tenant, "extensa")
    gateway = BindingsGateway(inside, caller=keeper)
    cascade = Periodic("group deletion", Cascade(store, gateway, clock=clock).sweep, interval=1.0)
    groups = Groups(store, subscription_id=subscription, clock=clock, deletion_begun=cascade.wake)
    subscriptions = Subscriptions(subscription_id=subscription, tenant_id=tenant, display_name="Extensa")
    placed = [Placed(each, store, subscription_id=subscription) for each in inside]
    bindings: list[Binding] = [subscriptions, groups, *placed]

    async def forget() -> None:
        await store.forget_operations(ended_before=clock() - RETENTION)

    front = build_app(
        Rooms(
            bindings=bindings,
            identity=identity,
            operations=Operations(store),
            providers=Providers([each.spec for each in bindings], subscription_id=subscription),
            directory=subscriptions,
            everything=ResourceList(gateway, store, subscription_id=subscription),
            clusters=clusters,
            extensions=extensions,
            questions=questions,
            charts=catalog,
            publisher=catalog,
            probes={"store": _probe(store)},
            gauges=_gauges(store),
            families={"extensa_extensions": Family(TALLY_SAYS, ("state", "health"), Tally(store, clock).read)},
        ),
        base_url=base_url,
        clock=clock,
    )
    sweeps = [
        cascade,
        collecting,
        Periodic("clusters", clusters.sweep, interval=5.0),
        Periodic("extensions", extensions.sweep, interval=5.0),
        Periodic("questions", questions.sweep, interval=30.0),
        Periodic("old operations", forget, interval=3600.0),
    ]
    return House(front, identity, sweeps)


def _probe(store: Store) -> Probe:
    async def answers() -> None:
        await store.get("/")

    return answers


def _gauges(store: Store) -> dict[str, tuple[str, Reading]]:
    """Return what ``/metrics`` shows beside the front's own counters."""

    async def running() -> float:
        return await store.count_open_operations()

    async def clusters() -> float:
        return await store.count(type="microsoft.containerservice/managedclusters")

    return {
        "extensa_operations_open": ("Operations that have not ended.", running),
        "extensa_clusters": ("Managed clusters there are.", clusters),
    }

"""One act each: what the plan chose, done through the driver, and what came of it as a finding.

A failure is an outcome here, not an exception: the loop looks again either way and derives the truth from what it sees.
It never chooses and never tries twice.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from extensa.base.ids import new_id
from extensa.base.log import get_logger
from extensa.helm.causes import Finding, of_error
from extensa.helm.cleaning import Hands, clean, set_aside
from extensa.helm.driver import Driver, Order, Place
from extensa.helm.errors import ClusterError, HelmError
from extensa.helm.plan import Act, Step
from extensa.helm.release import (
    ACT_MARK,
    LABEL_ACT,
    LABEL_DIGEST,
    LABEL_GENERATION,
    LABEL_OWNER,
    LABEL_UID,
)
from extensa.helm.state import Wanted
from extensa.helm.values import Values

_log = get_logger("helm")


@dataclass(frozen=True, slots=True)
class Work:
    """What an act needs besides the decision: the place, for a release that should be there its content, and for what
    Helm does not do ``hands`` and the name of its newest ``record``.
    """

    place: Place
    wanted: Wanted
    chart: Path | None = None
    values: Values | None = field(default=None, repr=False)
    wait: bool = False
    hands: Hands | None = None
    record: str = ""


async def perform(driver: Driver, act: Act, work: Work, *, timeout: float) -> Finding | None:
    """Do ``act`` and return why it failed, or None; raises nothing but cancellation, which ends Helm first.

    Every act carries an id of its own into Helm's record, by which a later look tells a dead act of ours from a live
    one of somebody else's.
    """
    act_id = new_id()
    _log.info(
        "act", step=act.step, release=work.place.release, namespace=work.place.namespace, reason=act.reason, act=act_id
    )
    try:
        await _do(driver, act, work, act_id, timeout)
    except (HelmError, ClusterError) as error:
        found = of_error(error, step=act.step.value)
        if found.code == "Forbidden" and not work.place.as_user:  # an API server that has just started knows no roles
            found = replace(found, transient=True)
        _log.warning("act failed", step=act.step, release=work.place.release, code=found.code, message=found.message)
        return found
    return None


async def _do(driver: Driver, act: Act, work: Work, act_id: str, timeout: float) -> None:
    place, wanted = work.place, work.wanted
    match act.step:
        case Step.INSTALL:
            await driver.install(_order(act, work, act_id, timeout))
        case Step.UPGRADE:
            await driver.upgrade(_order(act, work, act_id, timeout))
        case Step.ROLLBACK:
            description = f"{ACT_MARK}{act_id}: back to revision {act.revision}"
            await driver.rollback(place, revision=act.revision, description=description, timeout=timeout)
        case Step.UNINSTALL:
            await driver.uninstall(place, timeout=timeout, skip_hooks=act.skip_hooks)
        case Step.SET_ASIDE if work.hands is not None:
            await set_aside(work.hands, place.namespace, work.record, wanted.owner)
        case Step.CLEAN if work.hands is not None:
            await clean(work.hands, act.objects, remove_finalizers=wanted.remove_finalizers)
        case _:
            raise ValueError(f"{act.step} is no act")


def _order(act: Act, work: Work, act_id: str, timeout: float) -> Order:
    if work.chart is None or work.values is None:
        raise HelmError("ChartNotFound", "There is no chart to install.")
    wanted = work.wanted
    labels = {
        LABEL_UID: wanted.uid,
        LABEL_OWNER: wanted.owner,
        LABEL_GENERATION: str(wanted.generation),
        LABEL_DIGEST: wanted.digest,
        LABEL_ACT: act_id,
    }
    return Order(
        work.place,
        work.chart,
        work.values,
        labels,
        timeout,
        wait=work.wait,
        create_namespace=wanted.create_namespace,
        take_over=wanted.adopt,
        force=act.force or wanted.adopt,
    )

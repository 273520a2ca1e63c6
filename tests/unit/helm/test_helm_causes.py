"""Every cause has words, a next step and a place in the table; the gravest verdict leads."""

import pytest

from extensa.helm.causes import TABLE, Cause, finding, of_error
from extensa.helm.errors import ClusterError, HelmError
from extensa.helm.health import CURRENT, Health, Level
from extensa.helm.readiness import Seen, of_objects, progress
from extensa.helm.release import ObjectRef
from extensa.helm.removed_apis import removed_api


def seen(kind: str, name: str, health: Health) -> Seen:
    return Seen(ObjectRef("v1", kind, "ns", name), health)


WAITING = seen("Deployment", "web", Health(Level.IN_PROGRESS, "1 of 2 replicas", "NotReadyInTime"))
FAILED = seen("Job", "migrate", Health(Level.FAILED, "too often", "JobFailed"))
READY = seen("Service", "web", CURRENT)


def test_there_are_at_least_forty_causes() -> None:
    assert len(TABLE) >= 40


@pytest.mark.parametrize("cause", TABLE.values(), ids=lambda cause: cause.code)
def test_a_cause_says_what_it_is_and_what_to_do(cause: Cause) -> None:
    assert cause.code.isidentifier()
    assert cause.words.endswith(".")
    assert cause.next_step.endswith(".")


def test_a_finding_takes_what_it_does_not_say_from_the_table() -> None:
    found = finding("JobFailed")

    assert (TABLE["JobFailed"].words, TABLE["JobFailed"].next_step) == (found.message, found.next_step)


def test_a_code_that_is_not_in_the_table_does_not_leave() -> None:
    assert "HelmFailed" == of_error(HelmError("Surprise", "?"), step="install").code
    with pytest.raises(KeyError):
        finding("Surprise")


def test_an_error_becomes_a_finding_with_its_facts() -> None:
    error = ClusterError("ApiServerUnreachable", "no answer", target="c", raw="refused", transient=True)

    found = of_error(error, step="upgrade")

    assert ("ApiServerUnreachable", "no answer", "c", "refused", "upgrade", True) == (
        found.code,
        found.message,
        found.target,
        found.raw,
        found.step,
        found.transient,
    )


def test_masking_reaches_every_text() -> None:
    found = finding("HelmFailed", "a s3cret", target="s3cret", raw="s3cret").masked(lambda t: t.replace("s3cret", "*"))

    assert "s3cret" not in repr(found)


def test_progress_names_the_first_that_waits() -> None:
    assert "1 of 3 ready: Deployment web waits for 1 of 2 replicas and 1 more" == progress([READY, WAITING, FAILED])
    assert "1 of 2 ready: Deployment web waits for 1 of 2 replicas" == progress([READY, WAITING])
    assert "1 of 1 ready" == progress([READY])


def test_what_has_failed_leads_what_waits() -> None:
    found = of_objects([READY, WAITING, FAILED])

    assert ("JobFailed", "Job ns/migrate") == (found.code, found.target)


def test_a_pod_tells_more_than_its_owner() -> None:
    pod = seen("Pod", "web-1", Health(Level.IN_PROGRESS, "container m: not found", "ImagePullFailed"))

    found = of_objects([WAITING], [pod])

    assert "ImagePullFailed" == found.code
    assert "Deployment web waits for 1 of 2 replicas. Pod web-1 waits for container m: not found." == found.message


def test_a_pod_that_only_starts_tells_nothing() -> None:
    pod = seen("Pod", "web-1", Health(Level.IN_PROGRESS, "its containers to be ready", "NotReadyInTime"))

    assert "Deployment ns/web" == of_objects([WAITING], [pod]).target


def test_others_that_wait_are_counted() -> None:
    assert "(1 more not ready)" in of_objects([WAITING, FAILED]).message


def test_nothing_amiss_is_said_so() -> None:
    assert "NotReadyInTime" == of_objects([READY]).code


@pytest.mark.parametrize(
    ("target", "version", "says"),
    [
        ("Ingress (networking.k8s.io/v1beta1)", "networking.k8s.io/v1beta1", "since 1.22; networking.k8s.io/v1 took"),
        ("PodSecurityPolicy (policy/v1beta1)", "policy/v1beta1", "since 1.25; pod security levels on namespaces took"),
        ("PodDisruptionBudget (policy/v1beta1)", "policy/v1beta1", "since 1.25; policy/v1 took"),
    ],
)
def test_what_kubernetes_has_removed_is_told_with_what_took_its_place(target: str, version: str, says: str) -> None:
    found = removed_api(target, version)

    assert found is not None
    assert ("ApiVersionRemoved", target) == (found.code, found.target)
    assert says in found.message


def test_a_kind_of_somebody_elses_group_was_not_removed_by_kubernetes() -> None:
    assert removed_api("Widget (example.com/v1)", "example.com/v1") is None

"""The desired document: whole, from the extension alone, and without a secret in the clear."""

import msgspec
from msgspec.structs import replace

from extensa.extensions.model import Plan, Protected
from extensa.extensions.project import AtRest, project
from extensa.link.extension import Presence
from unit.extensions.extension_facts import chart, extension, extension_id


def test_a_desired_document_is_whole() -> None:
    wanted = extension(id=str(extension_id("Greeter")), generation=7, timeout=90)
    found = project(wanted).desired

    assert ("uid-1", 7, "cluster-1", wanted.id) == (found.uid, found.generation, found.cluster_uid, found.resource_id)
    assert ("greeter", "hello-system", True, False) == (
        found.release,
        found.namespace,
        found.create_namespace,
        found.namespace_scoped,
    )
    assert ("extensa.hello", "1.1.0", chart("1.1.0")) == (found.extension_type, found.extension_version, found.chart)
    assert ({"greeting": "hi"}, {}, 90) == (found.settings, found.injected, found.timeout)
    assert ("correlation-0", "operation-0") == (found.correlation_id, found.operation_id)


def test_secrets_stay_in_their_envelope() -> None:
    found = project(extension(protected=Protected(envelope="sealed", keys=["token"])))

    assert found.desired.protected is None
    assert ("sealed", f"{str(extension_id()).casefold()}#uid-1") == (found.envelope, found.seal)


def test_an_absent_one_asks_for_nothing_but_absence() -> None:
    secret = Protected(envelope="sealed", keys=["token"])
    found = project(extension(presence=Presence.ABSENT, protected=secret))

    assert (Presence.ABSENT, None, {}) == (found.desired.presence, found.desired.chart, found.desired.settings)
    assert found.envelope is None


def test_marketplace_charts_get_the_platforms_values_and_others_none() -> None:
    wanted = extension(plan=Plan(name="basic", publisher="p", product="q"))

    assert {
        "global": {"azure": {"extension": {"resourceId": wanted.id}, "marketplace": {"planId": "basic"}}}
    } == project(wanted).desired.injected


def test_a_chart_that_asks_is_told_which_keys_are_protected() -> None:
    asking = replace(chart("1.1.0"), asks=["protectedKeys"])
    secret = Protected(envelope="sealed", keys=["secret.token", "greeting"])

    for protected, keys in ((secret, ["secret.token", "greeting"]), (None, [])):
        found = project(extension(chart=asking, protected=protected))
        assert {"global": {"extensa": {"protectedKeys": keys}}} == found.desired.injected
    assert {} == project(extension(protected=secret)).desired.injected


def test_a_document_survives_its_rest() -> None:
    found = project(extension(protected=Protected(envelope="sealed", keys=["token"])))

    assert found == msgspec.json.decode(msgspec.json.encode(found), type=AtRest)

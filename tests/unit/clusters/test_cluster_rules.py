"""What a write to a cluster means: a table of outcomes, every reason at once, and reading back changes nothing."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from extensa.base.errors import Conflict, ExtensaError, Refused
from extensa.clusters import rules
from extensa.clusters.model import Record
from extensa.clusters.project import project
from extensa.clusters.render import render
from extensa.clusters.rules import Outcome
from extensa.link.cluster import NodePool, Power
from unit.clusters.cluster_facts import ID, TENANT, active, create_body, put, record

APP = "0f0e0d0c-0000-0000-0000-000000000001"


def read(kept: Record) -> dict[str, Any]:
    """What GET answers with, as a client sends it back."""
    return render(kept, tenant_id=TENANT)


def scaled(count: int = 5) -> dict[str, Any]:
    body = create_body()
    body["properties"]["agentPoolProfiles"][0]["count"] = count
    return body


TAGGED = create_body() | {"tags": {"a": "b"}}
FAILED_DELETE = record(power=Power.ABSENT, provisioning_state="Failed")
STOPPED = record(power=Power.STOPPED)


def test_what_az_sends_makes_a_cluster() -> None:
    decision = put(create_body())
    draft = decision.draft

    assert Outcome.CREATE == decision.outcome
    assert ("westeurope", "SystemAssigned", "1.37.1") == (draft.location, draft.identity, draft.kubernetes_version)
    assert "MC_Demo_demo_westeurope" == draft.body["properties"]["nodeResourceGroup"]
    assert {"addonProfiles", "storageProfile", "networkProfile"} <= set(draft.body["properties"])
    assert [NodePool(name="nodepool1", count=3)] == project(record()).pools


def test_the_least_that_makes_a_cluster() -> None:
    draft = put({"location": "westeurope"}).draft

    assert "demo-Demo-0b1f64" == draft.body["properties"]["dnsPrefix"]
    assert "None" == draft.identity
    assert {"name": "Base", "tier": "Free"} == draft.body["sku"]


@pytest.mark.parametrize(
    ("existing", "body", "outcome"),
    [
        (record(), create_body(), Outcome.UNCHANGED),
        (record(), TAGGED, Outcome.REWRITE),
        (record(), scaled(), Outcome.CHANGE),
        (record(), create_body(kubernetesVersion="1.37"), Outcome.UNCHANGED),
        (record(kubernetes_version="1.36.4"), create_body(kubernetesVersion="1.37"), Outcome.CHANGE),
        (record(), create_body(somethingNew={"x": 1}), Outcome.REWRITE),
        (record(), create_body(oidcIssuerProfile={"enabled": True}), Outcome.REWRITE),
        (active(), create_body(), Outcome.JOIN),
        (active(), scaled(), Outcome.CHANGE),
        (active(), TAGGED, Outcome.CHANGE),
        (active("Starting"), create_body(), Outcome.JOIN),
        (record(provisioning_state="Failed"), create_body(), Outcome.CHANGE),
        (record(provisioning_state="Canceled"), TAGGED, Outcome.CHANGE),
        (FAILED_DELETE, create_body(), Outcome.CHANGE),
        (STOPPED, create_body(), Outcome.UNCHANGED),
        (active("Stopping", power=Power.STOPPED), create_body(), Outcome.JOIN),
    ],
)
def test_outcomes_of_a_put(existing: Record, body: dict[str, Any], outcome: Outcome) -> None:
    assert outcome == put(body, existing).outcome


@pytest.mark.parametrize(
    ("existing", "body", "words"),
    [
        (active("Deleting", power=Power.ABSENT), create_body(), "is being deleted"),
        (STOPPED, scaled(), "only start and delete are allowed"),
        (STOPPED, TAGGED, "only start and delete are allowed"),
        (active("Stopping", power=Power.STOPPED), scaled(), "only start and delete are allowed"),
        (record(power=Power.STOPPED, provisioning_state="Failed"), create_body(), "only start and delete are allowed"),
    ],
)
def test_states_that_forbid_a_put(existing: Record, body: dict[str, Any], words: str) -> None:
    with pytest.raises(Conflict, match=words) as refused:
        put(body, existing)

    assert "OperationNotAllowed" == refused.value.code
    assert refused.value.next_step


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"location": None}, "LocationRequired location"),
        ({"location": ""}, "LocationRequired location"),
        ({"location": 5}, "InvalidParameter location"),
        ({"location": "west/europe"}, "InvalidParameter location"),
        ({"properties": []}, "InvalidParameter properties"),
        ({"identity": "x"}, "InvalidParameter identity"),
        ({"properties": {"identityProfile": ["x"]}}, "InvalidParameter properties.identityProfile"),
        ({"tags": ["a"]}, "InvalidTags tags"),
        ({"tags": {"a": 5}}, "InvalidTags tags"),
        ({"tags": {"": "b"}}, "InvalidTags tags"),
        ({"tags": {"a": "b" * 257}}, "InvalidTags tags"),
        ({"tags": {str(n): "" for n in range(51)}}, "InvalidTags tags"),
        ({"properties": {"dnsPrefix": "-x"}}, "InvalidParameter properties.dnsPrefix"),
        ({"properties": {"dnsPrefix": 5}}, "InvalidParameter properties.dnsPrefix"),
        ({"properties": {"dnsPrefix": "x" * 55}}, "InvalidParameter properties.dnsPrefix"),
        ({"properties": {"kubernetesVersion": "9.9"}}, "K8sVersionNotSupported properties.kubernetesVersion"),
        ({"properties": {"kubernetesVersion": 1.37}}, "InvalidParameter properties.kubernetesVersion"),
        ({"properties": {"agentPoolProfiles": {}}}, "InvalidParameter properties.agentPoolProfiles"),
        ({"identity": {"type": "Both"}}, "InvalidParameter identity.type"),
    ],
)
def test_what_no_new_cluster_may_have(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(Refused) as refused:
        put(create_body() | changed)

    assert problem == f"{refused.value.code} {refused.value.target}"


@pytest.mark.parametrize(
    ("changed", "target"),
    [
        ({"dnsPrefix": "other"}, "properties.dnsPrefix"),
        ({"nodeResourceGroup": "other"}, "properties.nodeResourceGroup"),
        ({"enableRBAC": False}, "properties.enableRBAC"),
        ({"networkProfile": {"serviceCidr": "10.9.0.0/16"}}, "properties.networkProfile.serviceCidr"),
    ],
)
def test_what_is_chosen_once(changed: dict[str, Any], target: str) -> None:
    with pytest.raises(Refused) as refused:
        put(create_body(**changed), record())

    assert ("PropertyChangeNotAllowed", target) == (refused.value.code, refused.value.target)


def test_what_is_chosen_once_stays_when_it_is_left_out() -> None:
    kept = record(create_body(nodeResourceGroup="mine", dnsPrefix="special"))
    body = create_body(dnsPrefix="")
    body.pop("location")

    assert Outcome.UNCHANGED == put(body, kept).outcome


def test_a_cluster_does_not_move() -> None:
    with pytest.raises(Refused) as refused:
        put(create_body() | {"location": "eastus"}, record())

    assert "InvalidResourceLocation" == refused.value.code


def test_an_issuer_is_not_taken_away() -> None:
    kept = record(create_body(oidcIssuerProfile={"enabled": True}))
    with pytest.raises(Refused) as refused:
        put(create_body(oidcIssuerProfile={"enabled": False}), kept)

    assert "OIDCIssuerFeatureCannotBeDisabled" == refused.value.code
    assert Outcome.UNCHANGED == put(create_body(), kept).outcome


@pytest.mark.parametrize("name", ["a", "A-b_c9", "x" * 63])
def test_names_that_are_given(name: str) -> None:
    assert Outcome.CREATE == put(create_body(), name=name).outcome


@pytest.mark.parametrize("name", ["-a", "a-", "a.b", "x" * 64, "ä", "a b"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        put(create_body(), name=name)

    assert "name" == refused.value.target


def test_every_reason_is_told_at_once() -> None:
    body = create_body(kubernetesVersion="9.9", agentPoolProfiles=[{"name": "A", "count": -1}])
    body |= {"location": None, "identity": {"type": "Both"}, "tags": 5}
    with pytest.raises(Refused) as refused:
        put(body, name="-")

    assert 7 == len(refused.value.details)


@pytest.mark.parametrize("body", [None, [], "x", 5])
def test_a_body_is_an_object(body: object) -> None:
    with pytest.raises(Refused, match="must be a JSON object"):
        put(body)
    with pytest.raises(Refused, match="must be a JSON object"):
        rules.decide_tags(body, record())


def test_null_takes_all_tags_away() -> None:
    before = record(body=TAGGED)

    assert "tags" not in rules.decide_tags({"tags": None}, before)
    assert {"a": "b"} == rules.decide_tags({}, before)["tags"]


def test_secrets_are_not_kept() -> None:
    body = create_body(
        windowsProfile={"adminUsername": "a", "adminPassword": "pa55"},
        servicePrincipalProfile={"clientId": APP, "secret": "s3cret"},
        aadProfile={"managed": True, "serverAppSecret": "s3cret"},
    )
    body.pop("identity")
    draft = put(body).draft

    assert "ServicePrincipal" == draft.identity
    assert not {"pa55", "s3cret"} & set(str(draft.body).replace("'", " ").split())
    assert {"clientId": APP} == draft.body["properties"]["servicePrincipalProfile"]


def test_a_service_principal_cluster_becomes_a_managed_one_by_a_full_put() -> None:
    body = create_body(servicePrincipalProfile={"clientId": APP, "secret": "s"})
    body.pop("identity")
    kept = record(body)
    before = read(kept)
    decision = put(before | {"identity": {"type": "SystemAssigned"}}, kept)
    after = read(replace(kept, identity=decision.draft.identity, body=decision.draft.body))

    assert {"clientId": APP} == before["properties"]["servicePrincipalProfile"]
    assert "identity" not in before
    assert Outcome.REWRITE == decision.outcome
    assert {"clientId": "msi"} == after["properties"]["servicePrincipalProfile"]
    assert {"type", "principalId", "tenantId"} == set(after["identity"])


POOLS = st.lists(
    st.fixed_dictionaries(
        {"name": st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), "count": st.integers(1, 1000)},
        optional={
            "vmSize": st.sampled_from(["", "Standard_D2s_v5"]),
            "osType": st.sampled_from(["Linux", "Windows", ""]),
            "nodeLabels": st.dictionaries(st.text("ab", min_size=1, max_size=3), st.text("xy", max_size=3)),
            "maxPods": st.integers(10, 250),
            "orchestratorVersion": st.sampled_from(["", "1.37.1"]),
            "powerState": st.just({"code": "Running"}),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda pool: str(pool["name"]),
)
USER_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"
BODIES = st.fixed_dictionaries(
    {
        "location": st.sampled_from(["westeurope", "West Europe"]),
        "properties": st.fixed_dictionaries(
            {},
            optional={
                "agentPoolProfiles": POOLS,
                "kubernetesVersion": st.sampled_from(["", "1.37", "1.36.4"]),
                "dnsPrefix": st.sampled_from(["", "mine"]),
                "nodeResourceGroup": st.sampled_from(["", "nodes"]),
                "servicePrincipalProfile": st.sampled_from([{"clientId": "msi"}, {"clientId": APP, "secret": "x"}]),
                "oidcIssuerProfile": st.sampled_from([{}, {"enabled": True}, {"enabled": False}]),
                "identityProfile": st.sampled_from([{}, {"kubeletidentity": {"resourceId": USER_ID}}]),
                "windowsProfile": st.just({"adminPassword": "x"}),
                "unknownThing": st.recursive(st.none() | st.text(max_size=3), st.lists, max_leaves=4),
            },
        ),
    },
    optional={
        "identity": st.sampled_from(
            [
                {"type": "SystemAssigned"},
                {"type": "UserAssigned", "userAssignedIdentities": {USER_ID: {}}},
                {"type": "None"},
            ]
        ),
        "tags": st.dictionaries(st.text("ab", min_size=1, max_size=3), st.text("xy", max_size=3), max_size=2),
        "zones": st.just(["1"]),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES)
def test_reading_and_writing_back_changes_nothing(body: dict[str, Any]) -> None:
    kept = record(body)

    assert Outcome.UNCHANGED == put(read(kept), kept).outcome
    assert Outcome.UNCHANGED == put(body, kept).outcome


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
WORDS = ["agentPoolProfiles", "identityProfile", "oidcIssuerProfile", "networkProfile", "dnsPrefix", "windowsProfile"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.dictionaries(st.sampled_from(["location", "tags", "identity", "sku", "properties"]), JSON),
    properties=st.dictionaries(st.sampled_from([*WORDS, "kubernetesVersion", "servicePrincipalProfile"]), JSON),
)
def test_nonsense_is_refused_in_words_and_never_crashes(body: dict[str, Any], properties: dict[str, Any]) -> None:
    for asked in (body, {"location": "westeurope", "properties": properties}):
        for existing in (None, record()):
            try:
                decision = put(asked, existing)
            except ExtensaError:
                continue
            kept = record()
            draft = decision.draft
            project(replace(kept, body=draft.body))
            read(replace(kept, body=draft.body, identity=draft.identity))


@pytest.mark.parametrize(
    ("existing", "wanted", "outcome"),
    [
        (record(), Power.RUNNING, Outcome.UNCHANGED),
        (record(), Power.STOPPED, Outcome.CHANGE),
        (record(), Power.ABSENT, Outcome.CHANGE),
        (active("Creating"), Power.RUNNING, Outcome.JOIN),
        (active("Creating"), Power.STOPPED, Outcome.CHANGE),
        (active("Creating"), Power.ABSENT, Outcome.CHANGE),
        (STOPPED, Power.STOPPED, Outcome.UNCHANGED),
        (STOPPED, Power.RUNNING, Outcome.CHANGE),
        (active("Stopping", power=Power.STOPPED), Power.STOPPED, Outcome.JOIN),
        (record(power=Power.STOPPED, provisioning_state="Failed"), Power.STOPPED, Outcome.CHANGE),
        (active("Deleting", power=Power.ABSENT), Power.ABSENT, Outcome.JOIN),
        (FAILED_DELETE, Power.ABSENT, Outcome.CHANGE),
        (FAILED_DELETE, Power.RUNNING, Outcome.CHANGE),
    ],
)
def test_stopping_starting_deleting(existing: Record, wanted: Power, outcome: Outcome) -> None:
    assert outcome == rules.decide_power(existing, wanted)


@pytest.mark.parametrize("wanted", [Power.RUNNING, Power.STOPPED])
def test_what_is_being_deleted_is_left_alone(wanted: Power) -> None:
    with pytest.raises(Conflict, match="is being deleted"):
        rules.decide_power(active("Deleting", power=Power.ABSENT), wanted)


@pytest.mark.parametrize(
    ("existing", "wanted", "word"),
    [
        (record(), Power.ABSENT, "Deleting"),
        (record(), Power.STOPPED, "Stopping"),
        (STOPPED, Power.STOPPED, "Stopping"),
        (STOPPED, Power.RUNNING, "Starting"),
        (record(), Power.RUNNING, "Updating"),
        (FAILED_DELETE, Power.RUNNING, "Updating"),
    ],
)
def test_provisioning_words(existing: Record, wanted: Power, word: str) -> None:
    assert word == rules.doing(existing, wanted)


def test_tags_are_merged() -> None:
    kept = record(create_body() | {"tags": {"a": "1", "b": "2"}})

    assert {"a": "1", "c": "3"} == rules.decide_tags({"tags": {"b": None, "c": "3"}}, kept)["tags"]
    assert "tags" not in rules.decide_tags({"tags": {"a": None, "b": None}}, kept)
    assert kept.body == rules.decide_tags({}, kept)


def test_a_patch_changes_tags_only() -> None:
    with pytest.raises(Refused) as refused:
        rules.decide_tags({"tags": {"a": 5}, "properties": {}, "sku": {}}, record())

    assert ["properties", "sku", "tags"] == [problem.target for problem in refused.value.details]


def test_the_id_is_read_from_the_record() -> None:
    assert ID == record().resource_id

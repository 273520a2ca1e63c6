"""Reading what a publisher says of a type."""

from datetime import timedelta
from typing import Any

import pytest

from extensa.arm.binding import Caller
from extensa.arm.resource_id import parse
from extensa.base.errors import Problem, Problems
from extensa.catalog import wire
from extensa.catalog.intake import TypeFacts, check_name, read_facts, with_facts
from extensa.catalog.model import PlanInfo, Scope
from extensa.catalog.places import Place, of
from unit.catalog.catalog_samples import CALLER, NOW, extension_type, version

HERE: Place = of(parse("/subscriptions/s/providers/Microsoft.KubernetesConfiguration/extensionTypes/contoso.app"))
MARKET = extension_type(
    name="contoso.app",
    description="An app",
    publisher="Contoso",
    default_release_namespace="contoso",
    allow_multiple_instances=True,
    is_managed_identity_required=True,
    is_system_extension=True,
    plan=PlanInfo(publisher_id="contoso", offer_id="app", plan_id="free"),
)


def read(body: Any) -> TypeFacts:
    problems = Problems()
    facts = read_facts("contoso.app", body, problems)
    assert [] == problems.found
    return facts


def complaints(properties: Any) -> list[Problem]:
    problems = Problems()
    read_facts("contoso.app", {"properties": properties}, problems)
    return problems.found


@pytest.mark.parametrize("body", [None, {}, {"properties": None}, {"properties": {}}, {"tags": {}}], ids=str)
def test_what_is_left_out_takes_its_default(body: Any) -> None:
    expected = TypeFacts(
        description="",
        publisher="contoso",
        default_scope=Scope.CLUSTER,
        default_release_namespace=None,
        allow_multiple_instances=False,
        supported_cluster_types=["connectedClusters", "managedClusters"],
        is_managed_identity_required=False,
        is_system_extension=False,
        plan=None,
    )

    assert expected == read(body)


@pytest.mark.parametrize("api_version", wire.API_VERSIONS[1:])
def test_what_was_read_can_be_sent_back(api_version: str) -> None:
    body = wire.type_body(MARKET, HERE, api_version=api_version)

    assert MARKET == with_facts(MARKET, "contoso.app", read(body), CALLER, NOW)


def test_words_are_read_in_any_letters_and_number() -> None:
    facts = read(
        {
            "properties": {
                "extensionType": "CONTOSO.App",
                "supportedClusterTypes": ["Connectedclusters", "managedcluster", "connectedClusters"],
                "supportedScopes": {"defaultScope": "Namespace"},
            }
        }
    )

    assert ["connectedClusters", "managedClusters"] == facts.supported_cluster_types
    assert Scope.NAMESPACE is facts.default_scope


def test_everything_wrong_is_told_at_once() -> None:
    found = complaints(
        {
            "extensionType": "other",
            "description": 1,
            "isSystemExtension": "yes",
            "supportedClusterTypes": ["laptops"],
            "supportedScopes": {
                "defaultScope": "galaxy",
                "clusterScopeSettings": {"allowMultipleInstances": 1, "defaultReleaseNamespace": "Not A Namespace"},
            },
            "planInfo": {"planId": "free"},
        }
    )

    assert {
        "properties.extensionType": "names 'other', but the path names 'contoso.app'",
        "properties.description": "must be a string of at most 4000 characters",
        "properties.isSystemExtension": "must be true or false",
        "properties.supportedClusterTypes": "must be a list of one or more of connectedClusters, managedClusters,"
        " provisionedClusters, appliances, fleets",
        "properties.supportedScopes.defaultScope": "must be cluster or namespace, not 'galaxy'",
        "properties.supportedScopes.clusterScopeSettings.allowMultipleInstances": "must be true or false",
        "properties.supportedScopes.clusterScopeSettings.defaultReleaseNamespace": "must be the name of a Kubernetes"
        " namespace, not 'Not A Namespace'",
        "properties.planInfo.planId": "and offerId belong together: a marketplace type has both",
    } == {p.target: p.message.removeprefix(f"The property '{p.target}' ").removesuffix(".") for p in found}
    assert {"InvalidRequestContent"} == {problem.code for problem in found}


@pytest.mark.parametrize(
    ("properties", "target"),
    [
        ("text", "properties"),
        ({"supportedScopes": []}, "properties.supportedScopes"),
        ({"supportedScopes": {"clusterScopeSettings": "x"}}, "properties.supportedScopes.clusterScopeSettings"),
        ({"planInfo": 7}, "properties.planInfo"),
        ({"supportedClusterTypes": []}, "properties.supportedClusterTypes"),
        ({"supportedClusterTypes": "managedClusters"}, "properties.supportedClusterTypes"),
        ({"supportedClusterTypes": [1]}, "properties.supportedClusterTypes"),
    ],
    ids=str,
)
def test_a_property_of_another_kind(properties: Any, target: str) -> None:
    assert [target] == [problem.target for problem in complaints(properties)]


@pytest.mark.parametrize("name", ["microsoft.flux", "cassandradatacentersoperator", "a", "x.y-z_1.A"])
def test_names_of_types(name: str) -> None:
    problems = Problems()
    check_name(name, problems)

    assert [] == problems.found


@pytest.mark.parametrize("name", ["", "1app", "a..b", ".a", "a.", "a b", "ä", "a" * 129])
def test_no_names_of_types(name: str) -> None:
    problems = Problems()
    check_name(name, problems)

    assert ["InvalidExtensionTypeName"] == [problem.code for problem in problems.found]


def test_a_new_type_has_no_versions_and_its_maker() -> None:
    made = with_facts(None, "Contoso.App", read({}), CALLER, NOW)

    assert ("Contoso.App", [], "someone", NOW) == (
        made.name,
        made.versions,
        made.system_data.created_by,
        made.system_data.created_at,
    )


def test_a_changed_type_keeps_name_versions_and_maker() -> None:
    before = extension_type(version("1.0.0"))
    later, other = NOW + timedelta(hours=1), Caller(object_id="other", tenant_id="t", app_id="b")
    after = with_facts(before, "contoso.APP", read({"properties": {"description": "new"}}), other, later)

    assert ("Contoso.App", "new", before.versions) == (after.name, after.description, after.versions)
    assert ("someone", "other", later) == (
        after.system_data.created_by,
        after.system_data.modified_by,
        after.system_data.modified_at,
    )


def test_saying_the_same_again_changes_nothing() -> None:
    before = with_facts(None, "contoso.app", read({}), CALLER, NOW)

    assert before is with_facts(before, "contoso.app", read({}), CALLER, NOW + timedelta(hours=1))

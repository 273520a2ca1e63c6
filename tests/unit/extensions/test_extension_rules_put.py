"""PUT: what is accepted and what it comes to, what joins, and every reason for refusal at once."""

from dataclasses import replace as replaced
from typing import Any

import pytest
from msgspec.structs import replace

from extensa.catalog.model import Scope as TypeScope
from extensa.clusters.model import Cluster
from extensa.extensions.decision import Accepted, Denied, Unchanged
from extensa.extensions.draft import Draft, Scope
from extensa.extensions.model import Identity, Plan, Protected, State, UpgradeMode
from extensa.extensions.rules import decide_put
from extensa.link.extension import Presence
from unit.extensions.extension_facts import (
    HELLO,
    SINGLE,
    arc,
    chart,
    cluster,
    extension,
    extension_id,
    facts,
    running,
    type_version,
)

NEW = Draft(extension_type="extensa.hello")


def accept(draft: Draft, *args: Any, **changes: Any) -> Accepted:
    decision = decide_put(draft, facts(*args, **changes))
    assert isinstance(decision, Accepted), decision
    return decision


def deny(draft: Draft, *args: Any, **changes: Any) -> Denied:
    decision = decide_put(draft, facts(*args, **changes))
    assert isinstance(decision, Denied), decision
    return decision


def codes(denied: Denied) -> list[str]:
    return [p.code for p in denied.problems]


def test_a_new_extension_follows_its_train_from_the_newest_version() -> None:
    decision = accept(NEW)
    made = decision.extension

    assert decision.created
    assert decision.operation is not None
    assert (State.CREATING, 1, "uid-fresh") == (made.state, made.generation, made.uid)
    assert ("1.1.0", chart("1.1.0"), None) == (made.version, made.chart, made.pinned)
    assert (UpgradeMode.COMPATIBLE, "Stable", "hello-system") == (made.mode, made.release_train, made.namespace)
    assert "operation-fresh" == made.operation == made.operation_id == decision.operation.id
    assert (1, "Creating", made.id) == (
        decision.operation.generation,
        decision.operation.status,
        decision.operation.resource_id,
    )
    assert ("cluster-1", "hosted-local") == (made.cluster_uid, made.agent)
    assert decision.protected is None


def test_a_pin_switches_automatic_upgrades_off() -> None:
    made = accept(Draft(extension_type="extensa.hello", version="1.0.0")).extension

    assert ("1.0.0", "1.0.0", UpgradeMode.NONE) == (made.pinned, made.version, made.mode)


def test_protected_settings_are_handed_on_to_be_sealed_and_only_named_in_the_record() -> None:
    decision = accept(Draft(extension_type="extensa.hello", protected={"token": "s3cret", "none": None}))

    assert {"token": "s3cret"} == decision.protected
    assert Protected(envelope="", keys=["token"]) == decision.extension.protected


@pytest.mark.parametrize(
    ("scope", "default_scope", "namespaced", "namespace"),
    [
        (None, "cluster", False, "hello-system"),
        (None, "namespace", True, "greeter"),
        (Scope(namespaced=False, namespace="apps"), "namespace", False, "apps"),
        (Scope(namespaced=False, namespace=None), "cluster", False, "hello-system"),
        (Scope(namespaced=True, namespace="shop"), "cluster", True, "shop"),
        (Scope(namespaced=True, namespace=None), "cluster", True, "greeter"),
    ],
)
def test_scope_and_namespace(scope: Scope | None, default_scope: str, namespaced: bool, namespace: str) -> None:
    kind = replace(HELLO, default_scope=TypeScope(default_scope))
    made = accept(Draft(extension_type="extensa.hello", scope=scope), extension_type=kind).extension

    assert (namespaced, namespace) == (made.namespace_scoped, made.namespace)


def test_a_connected_cluster_gives_its_extension_an_identity() -> None:
    made = accept(Draft(extension_type="extensa.hello", identity_type="systemassigned"), cluster=arc()).extension

    assert made.identity is not None
    assert "SystemAssigned" == made.identity.type
    assert 36 == len(made.identity.principal_id)


def test_without_a_cluster_it_is_arms_own_not_found() -> None:
    denied = deny(Draft(), cluster=None)

    assert 404 == denied.status
    assert (
        "The Resource 'Microsoft.ContainerService/managedClusters/blue' under resource group 'Shop' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    ) == denied.problems[0].message


def test_an_unknown_type_is_refused_in_azures_words() -> None:
    denied = deny(Draft(extension_type="Contoso.Nothing"), extension_type=None)

    assert (400, ["ExtensionTypeRegistrationGetFailed"]) == (denied.status, codes(denied))
    assert "Extension type contoso.nothing is not registered in region westeurope." == denied.problems[0].message
    assert denied.problems[0].next_step


def test_a_service_principal_cluster_is_refused_with_the_way_out() -> None:
    denied = deny(NEW, cluster=cluster(identity="ServicePrincipal"))

    assert ["ExtensionOperationFailed"] == codes(denied)
    assert "https://aka.ms/aks-extensions-service-principal-not-supported" in denied.problems[0].message
    assert "az aks update --resource-group Shop --name blue --enable-managed-identity" == denied.problems[0].next_step


@pytest.mark.parametrize(
    ("where", "kind", "code"),
    [
        (cluster(), "SystemAssigned", "BadRequest"),
        (arc(), "UserAssigned", "InvalidIdentityType"),
    ],
)
def test_an_identity_that_does_not_fit_the_cluster_is_refused(where: Cluster, kind: str, code: str) -> None:
    assert [code] == codes(deny(Draft(extension_type="extensa.hello", identity_type=kind), cluster=where))


@pytest.mark.parametrize(
    "name", ["a" * 53, "greeter-2", "Greeter", "a.b", "1"], ids=["53", "dash", "capital", "dot", "digit"]
)
def test_good_names(name: str) -> None:
    made = accept(NEW, id=extension_id(name)).extension

    assert (name, name.lower()) == (made.name, made.release)


@pytest.mark.parametrize("name", ["-a", "a_b", "a" * 54, "a-", "a.", "a..b", "a.-b", "ä", "a b"])
def test_bad_names(name: str) -> None:
    assert ["InvalidResourceName"] == codes(deny(NEW, id=extension_id(name)))


@pytest.mark.parametrize("namespace", ["Shop", "a" * 64, "-a", "a.b", "shop\n"])
def test_bad_namespaces(namespace: str) -> None:
    scope = Scope(namespaced=False, namespace=namespace)

    assert ["InvalidScope"] == codes(deny(Draft(extension_type="extensa.hello", scope=scope)))


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (Draft(extension_type="extensa.hello", version="9.9.9"), "ExtensionVersionNotFound"),
        (Draft(extension_type="extensa.hello", release_train="nightly"), "ReleaseTrainNotFound"),
        (Draft(extension_type="extensa.hello", version="2.0.0"), "ExtensionVersionNotOnTrain"),
        (
            Draft(extension_type="extensa.hello", version="1.0.0", auto_upgrade_minor_version=True),
            "InvalidAutoUpgradeMinorVersion",
        ),
        (
            Draft(extension_type="extensa.hello", version="1.0.0", auto_upgrade_mode=UpgradeMode.PATCH),
            "InvalidAutoUpgradeMinorVersion",
        ),
        (
            Draft(
                extension_type="extensa.hello",
                auto_upgrade_mode=UpgradeMode.NONE,
                auto_upgrade_minor_version=True,
            ),
            "InvalidAutoUpgradeMode",
        ),
        (Draft(), "InvalidRequestContent"),
    ],
)
def test_wishes_that_cannot_be(draft: Draft, code: str) -> None:
    assert [code] == codes(deny(draft))


def test_a_type_made_for_other_clusters_is_refused() -> None:
    denied = deny(Draft(extension_type="extensa.crds"), extension_type=SINGLE, cluster=arc())

    assert ["UnsupportedClusterType"] == codes(denied)


def test_a_second_instance_is_a_conflict_that_names_the_first() -> None:
    first = str(extension_id("first"))
    denied = deny(Draft(extension_type="extensa.crds"), extension_type=SINGLE, claim="c", occupant=first)

    assert (409, ["MultipleInstancesNotAllowed"]) == (denied.status, codes(denied))
    assert first in denied.problems[0].message


def test_a_first_instance_takes_the_place_and_one_in_a_namespace_needs_none() -> None:
    draft = Draft(extension_type="extensa.crds")
    inside = Draft(extension_type="extensa.crds", scope=Scope(namespaced=True, namespace="shop"))

    assert "c" == accept(draft, extension_type=SINGLE, claim="c").extension.claim
    assert "" == accept(inside, extension_type=SINGLE, claim="c", occupant="other").extension.claim


def test_every_reason_is_told_at_once() -> None:
    draft = Draft(
        extension_type="extensa.hello",
        version="9.9.9",
        auto_upgrade_minor_version=True,
        identity_type="SystemAssigned",
        scope=Scope(namespaced=False, namespace="NO"),
        settings={"": "x"},
    )
    denied = deny(
        draft, id=extension_id("-"), cluster=cluster(identity="ServicePrincipal", provisioning_state="Deleting")
    )

    assert 400 == denied.status
    assert {
        "InvalidResourceName",
        "ExtensionOperationFailed",
        "BadRequest",
        "InvalidAutoUpgradeMinorVersion",
        "InvalidSetting",
        "InvalidScope",
        "ExtensionVersionNotFound",
        "ClusterBeingDeleted",
    } == set(codes(denied))
    error = denied.error()
    assert (400, 8) == (error.status, len(error.details))


def test_the_same_wishes_change_nothing() -> None:
    existing = extension()
    decision = decide_put(Draft(extension_type="EXTENSA.hello", settings={"greeting": "hi"}), facts(existing))

    assert Unchanged(existing, None) == decision


def test_the_same_wishes_join_what_runs() -> None:
    existing, operation = running()
    decision = decide_put(Draft(settings={"greeting": "hi"}), facts(existing, operation=operation))

    assert Unchanged(existing, operation) == decision


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELED])
def test_the_same_wishes_retry_what_failed(state: State) -> None:
    existing = extension(state=state, installed_version="", error={"code": "x"})
    decision = accept(Draft(settings={"greeting": "hi"}), existing)

    assert (2, State.CREATING, None, "uid-1") == (
        decision.extension.generation,
        decision.extension.state,
        decision.extension.error,
        decision.extension.uid,
    )
    assert not decision.created


def test_other_wishes_supersede_what_runs() -> None:
    existing, operation = running()
    decision = accept(Draft(settings={"greeting": "hello"}), existing, operation=operation)

    assert decision.superseded is not None
    assert decision.superseded.error is not None
    assert ("operation-0", "Canceled", "OperationSuperseded") == (
        decision.superseded.id,
        decision.superseded.status,
        decision.superseded.error["code"],
    )
    assert ("operation-fresh", 2) == (decision.extension.operation, decision.extension.generation)
    assert {"greeting": "hello"} == decision.extension.settings


def test_a_put_replaces_settings_and_keeps_unmentioned_secrets() -> None:
    existing = extension(protected=Protected(envelope="sealed", keys=["token"]))
    decision = accept(Draft(settings=None), existing)

    assert {} == decision.extension.settings
    assert existing.protected == decision.extension.protected
    assert decision.protected is None, "nothing to seal anew"


def test_named_secrets_replace_all_and_a_blank_keeps_its_own() -> None:
    existing = extension(protected=Protected(envelope="sealed", keys=["a", "b"]))
    decision = accept(Draft(protected={"a": "", "c": "3"}), existing, protected={"a": "1", "b": "2"})

    assert {"a": "1", "c": "3"} == decision.protected
    assert decision.extension.protected is not None
    assert ["a", "c"] == decision.extension.protected.keys


def test_the_same_secrets_change_nothing() -> None:
    existing = extension(protected=Protected(envelope="sealed", keys=["a"]), settings={})
    decision = decide_put(Draft(protected={"a": "1"}), facts(existing, protected={"a": "1"}))

    assert isinstance(decision, Unchanged)


def test_an_older_version_does_not_wipe_a_mode_it_cannot_see() -> None:
    existing = extension(mode=UpgradeMode.PATCH)

    for flag in (None, True):
        blind = Draft(settings={"a": "b"}, auto_upgrade_minor_version=flag)
        assert UpgradeMode.PATCH is accept(blind, existing).extension.mode
    assert UpgradeMode.COMPATIBLE is accept(Draft(settings={"a": "b"}, sees_mode=True), existing).extension.mode
    off = Draft(settings={"a": "b"}, auto_upgrade_minor_version=False)
    assert UpgradeMode.NONE is accept(off, existing).extension.mode


def test_create_only_properties_may_be_repeated() -> None:
    plan = Plan(name="n", publisher="p", product="q")
    existing = extension(plan=plan, managed_by="/X")
    draft = Draft(
        extension_type="EXTENSA.HELLO",
        scope=Scope(namespaced=False, namespace="hello-system"),
        plan=plan,
        managed_by="/x",
        settings={"greeting": "hi"},
    )

    assert isinstance(decide_put(draft, facts(existing)), Unchanged)
    assert isinstance(
        decide_put(replaced(draft, scope=Scope(namespaced=False, namespace=None)), facts(existing)), Unchanged
    )


def test_changes_of_create_only_properties_are_all_refused() -> None:
    denied = deny(
        Draft(
            extension_type="extensa.other",
            scope=Scope(namespaced=True, namespace="hello-system"),
            plan=Plan(name="n", publisher="p", product="q"),
            managed_by="/x",
        ),
        extension(),
    )

    assert ["PropertyChangeNotAllowed"] * 4 == codes(denied)
    assert ["properties.extensionType", "properties.scope", "plan", "managedBy"] == [p.target for p in denied.problems]


def test_an_identity_cannot_be_added_later() -> None:
    plain = extension()
    own = extension(identity=Identity(type="SystemAssigned", principal_id="p"))
    draft = Draft(identity_type="SystemAssigned", settings={"greeting": "hi"})

    assert ["PropertyChangeNotAllowed"] == codes(deny(draft, plain, cluster=arc()))
    assert isinstance(decide_put(draft, facts(own, cluster=arc())), Unchanged)


@pytest.mark.parametrize(("asked", "refused"), [("succeeded", False), ("Failed", True), (None, False)])
def test_a_provisioning_state_may_only_be_the_stored_one(asked: str | None, refused: bool) -> None:
    decision = decide_put(Draft(provisioning_state=asked, settings={"greeting": "hi"}), facts(extension()))

    assert refused is isinstance(decision, Denied)


def test_a_stricter_rule_does_not_block_an_edit() -> None:
    """Name, cluster identity and type are asked of new extensions only."""
    existing = extension(id=str(extension_id("bad_name")), pinned="1.1.0", mode=UpgradeMode.NONE)
    decision = accept(
        Draft(version="1.1.0", settings={"a": "b"}),
        existing,
        cluster=cluster(identity="ServicePrincipal"),
        extension_type=None,
    )

    assert "1.1.0" == decision.extension.version


def test_a_following_extension_takes_the_newest_of_its_major_version_with_an_accepted_write() -> None:
    newer = replace(HELLO, versions=[type_version("2.0.0"), type_version("1.2.0"), type_version("1.1.0")])
    moved = accept(Draft(settings={"a": "b"}), extension(), extension_type=newer).extension
    off = Draft(settings={"a": "b"}, auto_upgrade_minor_version=False)

    assert ("1.2.0", chart("1.2.0")) == (moved.version, moved.chart)
    assert "1.1.0" == accept(off, extension(), extension_type=newer).extension.version


def test_patches_only_stays_in_the_minor_version() -> None:
    newer = replace(HELLO, versions=[type_version("1.2.0"), type_version("1.1.5"), type_version("1.1.0")])
    draft = Draft(auto_upgrade_mode=UpgradeMode.PATCH, sees_mode=True)

    assert "1.1.5" == accept(draft, extension(), extension_type=newer).extension.version


def test_what_never_ran_holds_nobody_to_its_major_version() -> None:
    newer = replace(HELLO, versions=[type_version("2.0.0"), type_version("1.1.0")])
    failed = extension(state=State.FAILED, installed_version="")

    assert "2.0.0" == accept(Draft(settings={"greeting": "hi"}), failed, extension_type=newer).extension.version


def test_a_withdrawn_type_is_told_when_a_version_must_be_found() -> None:
    denied = deny(Draft(version="1.0.0"), extension(), extension_type=None)

    assert ["ExtensionTypeRegistrationGetFailed"] == codes(denied)


def test_an_extension_being_deleted_is_not_written() -> None:
    existing, operation = running(State.DELETING, presence=Presence.ABSENT)
    denied = deny(Draft(settings={"greeting": "hi"}), existing, operation=operation)

    assert (409, ["ExtensionBeingDeleted"]) == (denied.status, codes(denied))
    assert denied.problems[0].next_step


def test_a_failed_deletion_can_be_taken_back() -> None:
    existing = extension(presence=Presence.ABSENT, state=State.FAILED, generation=5)
    decision = accept(Draft(settings={"greeting": "hi"}), existing)

    assert (Presence.PRESENT, 6, State.UPDATING) == (
        decision.extension.presence,
        decision.extension.generation,
        decision.extension.state,
    )


def test_an_extension_moves_with_its_cluster_to_another_agent() -> None:
    assert "other" == accept(Draft(), extension(), cluster=cluster(agent="other")).extension.agent

"""Azure's role semantics: wildcards, exceptions, scopes and everything below them; deny by default."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extensa.identity import grants
from extensa.identity.grants import CONTRIBUTOR, EXTENSION_CONTRIBUTOR, OWNER, READER, USER_ACCESS_ADMINISTRATOR, Grants
from extensa.identity.principal import RoleAssignment, RoleDefinition

SUBSCRIPTION = "/subscriptions/s"
GROUP = f"{SUBSCRIPTION}/resourceGroups/Demo"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/c".casefold()
WRITE = "Microsoft.KubernetesConfiguration/extensions/write"
WORDS = st.text(alphabet="abcXYZ./*", max_size=20)


def assigned(role: RoleDefinition, scope: str, principal: str = "p") -> RoleAssignment:
    return RoleAssignment(id="a", role_id=role.id, principal_id=principal, scope=scope)


@pytest.mark.parametrize(
    ("role", "action", "permitted"),
    [
        (OWNER, "Microsoft.Authorization/roleAssignments/write", True),
        (OWNER, "anything/at/all", True),
        (CONTRIBUTOR, WRITE, True),
        (CONTRIBUTOR, "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", True),
        (CONTRIBUTOR, "Microsoft.Authorization/roleAssignments/write", False),
        (CONTRIBUTOR, "microsoft.authorization/roleassignments/DELETE", False),
        (CONTRIBUTOR, "Microsoft.Authorization/roleAssignments/read", True),
        (CONTRIBUTOR, "Microsoft.Authorization/elevateAccess/Action", False),
        (READER, "Microsoft.KubernetesConfiguration/extensions/read", True),
        (READER, WRITE, False),
        (READER, "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action", False),
        (READER, "read", False),
        (EXTENSION_CONTRIBUTOR, WRITE, True),
        (EXTENSION_CONTRIBUTOR, WRITE.upper(), True),
        (EXTENSION_CONTRIBUTOR, "Microsoft.KubernetesConfiguration/extensions/listObjects/action", False),
        (EXTENSION_CONTRIBUTOR, "Microsoft.KubernetesConfiguration/extensions/listEvidence/action", True),
        (EXTENSION_CONTRIBUTOR, "Microsoft.KubernetesConfiguration/extensions/getEvidence/action", True),
        (EXTENSION_CONTRIBUTOR, "Microsoft.KubernetesConfiguration/extensions/rollback/action", True),
        (EXTENSION_CONTRIBUTOR, "Microsoft.KubernetesConfiguration/orphanedExtensions/clean/action", True),
        (READER, "Microsoft.KubernetesConfiguration/extensions/pause/action", False),
        (READER, "Microsoft.KubernetesConfiguration/orphanedExtensions/read", True),
        (READER, "Microsoft.KubernetesConfiguration/extensions/listEvidence/action", False),
        (READER, "Microsoft.KubernetesConfiguration/extensions/getEvidence/action", False),
        (OWNER, "Microsoft.KubernetesConfiguration/extensions/getEvidence/action", True),
        (EXTENSION_CONTRIBUTOR, "Microsoft.KubernetesConfiguration/extensionTypes/write", False),
        (EXTENSION_CONTRIBUTOR, "Microsoft.ContainerService/managedClusters/write", False),
        (USER_ACCESS_ADMINISTRATOR, "Microsoft.Authorization/roleAssignments/write", True),
        (USER_ACCESS_ADMINISTRATOR, WRITE, False),
    ],
)
def test_built_in_roles(role: RoleDefinition, action: str, permitted: bool) -> None:
    assert permitted == grants.permits(role, action)


def test_built_in_roles_have_guids_of_their_own() -> None:
    assert len(grants.BUILT_IN) == len({role.id for role in grants.BUILT_IN})


def test_a_role_without_actions_permits_nothing() -> None:
    assert not grants.permits(RoleDefinition(id="r", name="r", description="", actions=()), "a/b/read")


def test_a_dot_in_an_action_is_only_a_dot() -> None:
    role = RoleDefinition(id="r", name="r", description="", actions=("Microsoft.Web/*",))

    assert not grants.permits(role, "MicrosoftXWeb/sites/read")


@pytest.mark.parametrize(
    ("scope", "key", "permitted"),
    [
        ("/", CLUSTER, True),
        ("/", "", True),
        ("/subscriptions/S", CLUSTER, True),
        (GROUP, CLUSTER, True),
        (GROUP + "/", CLUSTER, True),
        (GROUP, GROUP.casefold(), True),
        (GROUP, GROUP.casefold() + "2", False),
        (GROUP, "/subscriptions/s", False),
        (GROUP, "", False),
        (CLUSTER, CLUSTER + "/providers/microsoft.kubernetesconfiguration/extensions/x", True),
        ("/subscriptions/other", CLUSTER, False),
    ],
)
def test_a_scope_covers_itself_and_what_lies_below(scope: str, key: str, permitted: bool) -> None:
    assert permitted == Grants([assigned(OWNER, scope)]).permit("p", WRITE, key)


def test_only_the_assigned_principal_gains() -> None:
    held = Grants([assigned(OWNER, "/", principal="p")])

    assert held.permit("p", WRITE, CLUSTER)
    assert not held.permit("q", WRITE, CLUSTER)
    assert not Grants([]).permit("p", WRITE, CLUSTER)


def test_an_exception_narrows_its_own_role_only() -> None:
    action = "Microsoft.Authorization/roleAssignments/write"
    both = [assigned(CONTRIBUTOR, "/"), assigned(USER_ACCESS_ADMINISTRATOR, GROUP)]

    assert Grants(both).permit("p", action, CLUSTER)
    assert not Grants(both).permit("p", action, "/subscriptions/other")


def test_an_assignment_of_an_unknown_role_grants_nothing() -> None:
    stranger = RoleDefinition(id="stranger", name="", description="", actions=("*",))

    assert not Grants([assigned(stranger, "/")]).permit("p", WRITE, CLUSTER)


@pytest.mark.parametrize(
    ("scope", "seen"), [("/", True), (SUBSCRIPTION, True), (GROUP, True), ("/subscriptions/other", False)]
)
def test_a_scope_is_seen_from_any_role_at_it_above_or_below(scope: str, seen: bool) -> None:
    assert seen == Grants([assigned(READER, scope)]).reach("p", SUBSCRIPTION)
    assert not Grants([assigned(READER, scope)]).reach("another", SUBSCRIPTION)


def matches(pattern: str, text: str) -> bool:
    """The plain meaning of a wildcard, written the slow way."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(matches(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and text[0] == pattern[0] and matches(pattern[1:], text[1:])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=st.lists(WORDS, max_size=3), excepted=st.lists(WORDS, max_size=2), asked=WORDS)
def test_wildcards_mean_any_text_in_any_case(actions: list[str], excepted: list[str], asked: str) -> None:
    role = RoleDefinition(id="r", name="", description="", actions=tuple(actions), not_actions=tuple(excepted))
    wanted = asked.casefold()
    granted = any(matches(a.casefold(), wanted) for a in actions)
    denied = any(matches(a.casefold(), wanted) for a in excepted)

    assert (granted and not denied) == grants.permits(role, asked)

"""As whom a cluster acts: the kinds, the switch to a managed identity, and that there is no way back."""

from typing import Any

import pytest

from extensa.base.errors import Problems
from extensa.clusters import identities
from extensa.clusters.identities import NONE, PRINCIPAL, SYSTEM, USER, Identities

USER_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"
APP = "0f0e0d0c-0000-0000-0000-000000000001"
MANAGED = Identities(SYSTEM)
SERVICE = Identities(PRINCIPAL, client_id=APP)


def body(kind: object = None, client_id: object = None, users: object = None) -> dict[str, Any]:
    identity = {"type": kind} | ({"userAssignedIdentities": users} if users is not None else {})
    return {
        "identity": identity if kind is not None else None,
        "properties": {"servicePrincipalProfile": {"clientId": client_id, "secret": "s"} if client_id else None},
    }


def decide(asked: dict[str, Any], present: Identities | None = None) -> tuple[Identities, list[str]]:
    problems = Problems()
    decided = identities.decide(asked, present, problems)
    return decided, [f"{problem.code} {problem.target}" for problem in problems.found]


@pytest.mark.parametrize(
    ("asked", "present", "expected"),
    [
        (body("SystemAssigned"), None, MANAGED),
        (body("systemassigned"), None, MANAGED),
        (body(), None, Identities(NONE)),
        (body("None"), None, Identities(NONE)),
        (body(None, "msi"), None, MANAGED),
        (body("None", "msi"), None, Identities(NONE)),
        (body(None, APP), None, SERVICE),
        (body("SystemAssigned", APP), None, MANAGED),
        (body("UserAssigned", users={USER_ID: {}}), None, Identities(USER, (USER_ID,))),
        # the switch: identity in a full PUT, the profile echoed as it was read
        (body("SystemAssigned", APP), SERVICE, MANAGED),
        (body("UserAssigned", APP, {USER_ID: {}}), SERVICE, Identities(USER, (USER_ID,))),
        (body("SystemAssigned"), Identities(NONE), MANAGED),
        # as it was
        (body(), MANAGED, MANAGED),
        (body(None, "msi"), MANAGED, MANAGED),
        (body(), SERVICE, SERVICE),
        (body(None, APP.upper()), SERVICE, SERVICE),
        (body("UserAssigned", "msi", {USER_ID: {}}), MANAGED, Identities(USER, (USER_ID,))),
        (body("SystemAssigned", "msi"), Identities(USER, (USER_ID,)), MANAGED),
    ],
)
def test_identities(asked: dict[str, Any], present: Identities | None, expected: Identities) -> None:
    assert (expected, []) == decide(asked, present)


@pytest.mark.parametrize(
    ("asked", "present", "problem"),
    [
        (body(None, APP), MANAGED, "PropertyChangeNotAllowed properties.servicePrincipalProfile"),
        (body("None"), MANAGED, "PropertyChangeNotAllowed identity.type"),
        (body("None", APP), MANAGED, "PropertyChangeNotAllowed properties.servicePrincipalProfile"),
        (body(None, "other"), SERVICE, "PropertyChangeNotAllowed properties.servicePrincipalProfile.clientId"),
        (body("Both"), None, "InvalidParameter identity.type"),
        (body(5), None, "InvalidParameter identity.type"),
        (body("UserAssigned"), None, "InvalidParameter identity.userAssignedIdentities"),
        (body("UserAssigned", users={}), None, "InvalidParameter identity.userAssignedIdentities"),
        (body("UserAssigned", users=[USER_ID]), None, "InvalidParameter identity.userAssignedIdentities"),
        (body("UserAssigned", users={"me": {}}), None, "InvalidParameter identity.userAssignedIdentities"),
        (
            body("UserAssigned", users={"/subscriptions/s": {}}),
            None,
            "InvalidParameter identity.userAssignedIdentities",
        ),
    ],
)
def test_refused_identities(asked: dict[str, Any], present: Identities | None, problem: str) -> None:
    assert [problem] == decide(asked, present)[1]


@pytest.mark.parametrize("acting", [MANAGED, SERVICE, Identities(NONE), Identities(USER, (USER_ID,))])
def test_what_is_kept_says_the_same_again(acting: Identities) -> None:
    assert acting == identities.kept(acting.kind, acting.stored())


def test_a_service_principals_secret_is_not_kept() -> None:
    decided, _ = decide(body(None, APP))

    assert {"properties": {"servicePrincipalProfile": {"clientId": APP}}} == decided.stored()

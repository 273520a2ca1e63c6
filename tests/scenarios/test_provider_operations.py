"""What a custom role may name: the operations of a provider, from the route table of the real control plane."""

from pathlib import Path

from scenarios.control_plane import Time, running

OPERATIONS = "/providers/microsoft.kubernetesconfiguration/operations"


async def test_every_action_of_a_provider_is_listed(tmp_path: Path) -> None:
    async with running(tmp_path / "home", Time()) as plane:
        answer = await plane.ask("GET", OPERATIONS, "2025-03-01")

    assert 200 == answer.status_code
    names = [entry["name"] for entry in answer.json()["value"]]
    assert sorted(names) == names
    assert {
        "Microsoft.KubernetesConfiguration/extensions/read",
        "Microsoft.KubernetesConfiguration/extensions/write",
        "Microsoft.KubernetesConfiguration/extensions/delete",
        "Microsoft.KubernetesConfiguration/extensions/listObjects/action",
        "Microsoft.KubernetesConfiguration/extensionTypes/versions/write",
    } <= set(names)


async def test_an_unknown_provider_is_refused_in_azures_words(tmp_path: Path) -> None:
    async with running(tmp_path / "home", Time()) as plane:
        answer = await plane.ask("GET", "/providers/Microsoft.Nothing/operations", "2025-03-01")

    assert 404 == answer.status_code
    error = answer.json()["error"]
    assert "InvalidResourceNamespace" == error["code"]
    assert "Microsoft.KubernetesConfiguration" in error["additionalInfo"][0]["info"]["nextStep"]

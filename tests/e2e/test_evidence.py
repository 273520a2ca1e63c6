"""What is kept of real failures on a real API, and that it can be read when nothing of the release is left."""

import io
import json
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from e2e.agent_fixtures import agent, begin
from e2e.agent_world import CLUSTER, STAY, World
from e2e.charts_made_here import DEPLOYMENT, SETTINGS, pack
from e2e.product import Product
from extensa.base.clock import utc_now
from extensa.client.chart import load_chart
from extensa.link.evidence import Evidence
from extensa.link.extension import DesiredExtension, Phase
from extensa.link.question import Kind, Question

pytestmark = pytest.mark.cluster
__all__ = ["agent", "begin"]
SECRET = "canary-long-secret"
FAILS = Path(__file__).resolve().parents[2] / "charts" / "fails" / "1.0.0"


async def kept(agent: World, desired: DesiredExtension) -> Evidence:
    """What the agent answers when it is asked for the evidence of a failure."""
    question = Question(
        id=f"q-{desired.uid}-{len(agent.link.questions)}",
        kind=Kind.EVIDENCE,
        cluster_uid=CLUSTER,
        subject=desired.uid,
        deadline=utc_now() + timedelta(seconds=20),
        correlation_id="c",
        arguments={"have": [], "generation": desired.generation},
    )
    agent.link.ask(question)
    answer = await agent.link.until(lambda: agent.link.answers.get(question.id), within=20)
    assert SECRET not in json.dumps(answer.body)
    return msgspec.convert(answer.body["evidence"], Evidence)


def fails(agent: World, mode: str, **more: Any) -> DesiredExtension:
    """The sample chart that fails as it is told to."""
    settings, secrets = {"mode": mode}, {"secret.token": SECRET}
    archive = load_chart(FAILS).archive
    more = {"archive": archive, "chart": "fails", "settings": settings, "secrets": secrets, **more}
    return agent.desired(f"ev-{mode}", failure_policy=STAY, **more)


async def test_a_release_that_never_gets_ready_is_told_whole_and_after_it_was_removed_by_hand(agent: World) -> None:
    wanted = fails(agent, "never-ready", timeout=12)
    agent.link.want(wanted)
    failed = await agent.outcome(wanted)
    before = await kept(agent, wanted)
    await agent.run_helm("uninstall", wanted.release, "-n", wanted.namespace)
    after = await kept(agent, wanted)

    assert (Phase.FAILED, before.id) == (failed.phase, failed.evidence)
    assert before == after
    assert (failed.failure is not None, "ready") == (True, before.cause.step)
    assert before.release is not None
    assert ["deployed"] == [each.status for each in before.release.revisions]
    waiting = [each for each in before.objects if each.health != "Current"]
    assert ["Deployment"] == [each.kind for each in waiting]
    assert "Available" in [each.type for each in waiting[0].conditions]
    assert "FailedScheduling" in [each.reason for each in before.events if each.object.startswith("Pod ")]
    assert "ScalingReplicaSet" in [each.reason for each in before.events if each.object.startswith("Deployment ")]
    assert ("Pending", "") == (before.pods[0].phase, before.pods[0].node)
    assert "kind: Deployment" in before.manifests
    assert all(each.log_note for pod in before.pods for each in pod.containers)


@pytest.mark.parametrize("mode", ["hook", "render", "leak", "invalid-object", "cluster-object"])
async def test_helms_own_failures_are_told_with_its_words_and_no_secret(agent: World, mode: str) -> None:
    wanted = fails(agent, mode, timeout=60, namespace_scoped=mode == "cluster-object")
    agent.link.want(wanted)
    failed = await agent.outcome(wanted)
    found = await kept(agent, wanted)

    assert failed.failure is not None
    assert (failed.evidence, failed.failure.code) == (found.id, found.cause.code)
    assert found.cause.raw
    assert found.cause.next_step
    if mode == "hook":
        assert "# hook: pre-install" in found.manifests
        assert any(each.object.startswith("Job ") for each in found.events)
    if mode in ("render", "leak"):
        assert any("no record of a release" in note for note in found.notes)


async def test_secrets_in_manifests_are_hidden_on_a_real_release(agent: World) -> None:
    templates = {"d.yaml": DEPLOYMENT, "s.yaml": SETTINGS}
    wanted = agent.desired(
        "ev-secret",
        archive=pack("hello", templates),
        settings={"nowhere": "true"},
        secrets={"secret": SECRET},
        timeout=8,
    )
    agent.link.want(wanted)
    await agent.outcome(wanted)
    found = await kept(agent, wanted)

    assert "kind: Secret" in found.manifests
    assert "********" in found.manifests
    files = list((agent.folder / "agent" / "evidence").iterdir())
    assert 1 == len(files)
    assert SECRET.encode() not in files[0].read_bytes()


def test_a_failure_is_diagnosed_by_the_product_and_nothing_it_wrote_holds_the_secret(
    product: Product, tmp_path: Path
) -> None:
    named = ["-g", "demo", "-c", "demo", "-n", "broken"]
    given = ["--config", "mode=leak", "--config-protected", f"secret.token={SECRET}"]
    product.run("extension", "create", *named, "--extension-type", "extensa.fails", *given, ok=False)
    first = product.run("extension", "diagnose", *named).stdout
    product.run("extension", "update", *named, "--config", "mode=hook", "--yes", ok=False)
    second = product.json("extension", "diagnose", *named)
    assert (
        "" == product.shell("kubectl get secrets -n fails-system -l owner=helm -o name").stdout.strip()
    )  # it was put right
    bundle = tmp_path / "bundle.tar.gz"
    product.run("support-bundle", "--output", str(bundle))

    assert "Cause   (ChartDoesNotRender)" in first
    assert "Next    " in first
    assert ("HookFailed", 2) == (second["evidence"]["cause"]["code"], len(second["kept"]))
    assert second["evidence"] == product.json("extension", "diagnose", *named)["evidence"]
    with tarfile.open(bundle) as archive:
        texts = {name: (archive.extractfile(name) or io.BytesIO()).read() for name in archive.getnames()}
    assert any(name.endswith("evidence/broken/diagnose.txt") for name in texts)
    told = b"\n".join(texts.values())
    for name in ("owner.json", "agent.json", "host.json"):
        found = json.loads((product.home / "credentials" / name).read_bytes())
        assert (found.get("clientSecret") or found["secret"]).encode() not in told
    for key in json.loads((product.home / "keys" / "vault.json").read_bytes())["keys"].values():
        assert key.encode() not in told
    assert SECRET.encode() not in told
    files = [path for path in product.home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [] == [path for path in files if SECRET.encode() in path.read_bytes()]

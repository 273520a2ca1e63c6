"""Every way in which a chart or its settings make a release fail, brought about for real."""

import pytest

from e2e.cause_stage import Stage, produces
from e2e.charts_made_here import HELLO, pack
from extensa.link.sealing import new_private_key, public_key, seal

pytestmark = pytest.mark.cluster

SCHEMA = '{"properties": {"replicas": {"type": "integer", "minimum": 1}}}'


@produces("ChartNotFound")
async def test_chart_not_found(stage: Stage) -> None:
    wanted = stage.wanted(pack("lost", HELLO), chart="lost")
    assert wanted.chart is not None
    archive = stage.world.link.charts.pop(wanted.chart.digest)

    await stage.fails(wanted, "ChartNotFound", "Chart lost 1.0.0", leaves=False)
    stage.world.link.charts[wanted.chart.digest] = archive
    await stage.leaves(await stage.recovers(wanted))


@produces("ChartDigestMismatch")
async def test_chart_digest_mismatch(stage: Stage) -> None:
    wanted = stage.wanted(pack("swapped", HELLO), chart="swapped")
    assert wanted.chart is not None
    stage.world.link.charts[wanted.chart.digest] = pack("other", HELLO)

    await stage.fails(wanted, "ChartDigestMismatch", "Chart swapped 1.0.0", "not sha256:")
    assert not (stage.world.folder / "agent" / "charts" / wanted.chart.digest).exists()


@produces("ChartUnreadable")
async def test_chart_unreadable(stage: Stage) -> None:
    await stage.fails(stage.wanted(b"this is no archive", chart="noise"), "ChartUnreadable", "Chart noise 1.0.0")


@produces("ChartNotInstallable")
async def test_chart_not_installable(stage: Stage) -> None:
    library = pack("shared", {"_it.tpl": '{{ define "x" }}{{ end }}'}, about="type: library\n")

    await stage.fails(stage.wanted(library, chart="shared"), "ChartNotInstallable", "Chart shared 1.0.0", "library")


@produces("ChartDoesNotRender")
async def test_chart_does_not_render(stage: Stage) -> None:
    template = '{{ required "give a region" .Values.region }}'

    await stage.fails(
        stage.wanted(pack("c", {"r.yaml": template})), "ChartDoesNotRender", "c/templates/r.yaml", "give a region"
    )


@produces("ValuesRejectedBySchema")
async def test_values_rejected_by_schema(stage: Stage) -> None:
    strict = pack("strict", HELLO, files={"values.schema.json": SCHEMA})
    wanted = stage.wanted(strict, chart="strict", settings={"replicas": "none"})

    await stage.fails(wanted, "ValuesRejectedBySchema", "replicas", "got string, want integer")


@produces("SettingInvalid")
async def test_setting_invalid(stage: Stage) -> None:
    wanted = stage.wanted(pack("c", HELLO), settings={"a..b": "1"})

    await stage.fails(wanted, "SettingInvalid", "a..b", leaves=False)
    await stage.leaves(await stage.recovers(wanted, settings={"a.b": "1"}))


@produces("SettingsSealBroken")
async def test_settings_seal_broken(stage: Stage) -> None:
    good = stage.wanted(pack("c", HELLO), secrets={"secret": "canary-of-a-seal"})
    foreign = seal(b"{}", recipient=public_key(new_private_key()), purpose=good.uid)
    wanted = stage.next(good, protected=foreign)

    await stage.fails(wanted, "SettingsSealBroken", "configurationProtectedSettings", leaves=False)
    await stage.leaves(await stage.recovers(wanted, protected=good.protected))


@produces("KubernetesVersionUnsupported")
async def test_kubernetes_version_unsupported(stage: Stage) -> None:
    chart = pack("future", HELLO, about="kubeVersion: '>=9.9.0'\n")

    await stage.fails(
        stage.wanted(chart, chart="future"), "KubernetesVersionUnsupported", "Chart future 1.0.0", ">=9.9.0", "v1."
    )


@produces("DependencyMissing")
async def test_dependency_missing(stage: Stage) -> None:
    chart = pack("needy", HELLO, about="dependencies: [{name: cache, version: 1.0.0, repository: 'https://x.test'}]\n")

    await stage.fails(stage.wanted(chart, chart="needy"), "DependencyMissing", "Chart cache", "cache")

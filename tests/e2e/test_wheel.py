"""The wheel carries all it needs: installed into an empty environment far from the checkout, `extensa up` works."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.product import ROOT, Product, free_port

pytestmark = pytest.mark.cluster


def run(*argv: str | Path, cwd: Path) -> None:
    """Run a command; what it printed is shown when it fails."""
    done = subprocess.run([str(a) for a in argv], cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture
def from_wheel(tmp_path: Path) -> Iterator[Product]:
    """Return a product whose program was installed from a wheel into an environment of its own."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    locked = ROOT / "requirements" / "runtime.txt"
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", locked, cwd=tmp_path)
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    product = Product(
        home=tmp_path / "home", port=free_port(), program=tmp_path / "venv" / "bin" / "extensa", cwd=elsewhere
    )
    try:
        yield product
    finally:
        product.run("down", ok=False)


def test_up_works_from_a_wheel(from_wheel: Product) -> None:
    from_wheel.run("up", timeout=900)

    listed = from_wheel.json("extension", "list", "-g", "demo", "-c", "demo", "-t", "managedClusters")
    assert ["Succeeded"] == [e.get("properties", e)["provisioningState"] for e in listed]
    from_wheel.run("down")
    assert [] == from_wheel.processes()
    assert from_wheel.home.is_dir()
    assert os.access(from_wheel.home, os.W_OK)

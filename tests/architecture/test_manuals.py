"""What the pages say is there, is there; and no file names a package registry."""

import re
import subprocess
from pathlib import Path

import pytest

from extensa.base.settings import manual

ROOT = Path(__file__).resolve().parents[2]
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("registry", "npmjs", "org"),
        ("repo1", "maven", "org"),
        ("deb", "debian", "org"),
        ("crates", "io"),
    )
]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def tracked() -> list[Path]:
    """Every file that a clone holds."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry() -> None:
    texts = {p: p.read_text(encoding="utf-8", errors="replace") for p in tracked()}

    assert [] == [f"{p.relative_to(ROOT)}: {host}" for p, text in texts.items() for host in REGISTRIES if host in text]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:src|docs|tests|tools|charts|bench|requirements)/[\w./-]*[\w/])`", text))
    linked = {link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link}
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [link for link in linked if not (page.parent / link).exists()]

    assert [] == sorted(missing)


def test_the_manual_lists_every_setting() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert [] == [variable for variable, _, _ in manual() if f"`{variable}`" not in text]

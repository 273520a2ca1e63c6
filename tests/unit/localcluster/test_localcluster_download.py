"""Fetching: what is verified appears whole and executable; what is wrong leaves nothing behind."""

from pathlib import Path

import pytest

from extensa.base.errors import Unavailable
from extensa.localcluster.download import fetch_program
from extensa.localcluster.errors import BinariesError
from extensa.localcluster.releases import ReleaseFile
from unit.localcluster.binaries_world import Releases, archive, serving, sha256

PROGRAM = b"#!/bin/sh\necho hello\n"


def offered(releases: Releases, content: bytes, *, digest: str, member: str = "") -> ReleaseFile:
    """Put a file and its checksum file on the server and return where they are."""
    releases.files = {"/file": content, "/file.sha256": digest.encode()}
    return ReleaseFile(f"{releases.base}/file", f"{releases.base}/file.sha256", member)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_verified_file_becomes_a_program(tmp_path: Path) -> None:
    with serving() as releases:
        release = offered(releases, PROGRAM, digest=sha256(PROGRAM))
        assert len(PROGRAM) == await fetch_program(release, tmp_path / "tool")
    assert PROGRAM == (tmp_path / "tool").read_bytes()
    assert 0o755 == (tmp_path / "tool").stat().st_mode & 0o777
    assert ["tool"] == names(tmp_path)


async def test_a_program_is_taken_out_of_its_archive(tmp_path: Path) -> None:
    packed = archive("linux-amd64/helm", PROGRAM)
    with serving() as releases:
        release = offered(releases, packed, digest=f"{sha256(packed)}  file\n", member="linux-amd64/helm")
        await fetch_program(release, tmp_path / "helm")
    assert PROGRAM == (tmp_path / "helm").read_bytes()
    assert ["helm"] == names(tmp_path)


async def test_a_wrong_checksum_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with serving() as releases:
        release = offered(releases, PROGRAM, digest="0" * 64)
        with pytest.raises(BinariesError, match="refused") as caught:
            await fetch_program(release, tmp_path / "tool")
    assert "ChecksumMismatch" == caught.value.code
    assert [] == names(tmp_path)


async def test_a_file_without_a_published_checksum_is_not_even_fetched(tmp_path: Path) -> None:
    with serving() as releases:
        release = offered(releases, PROGRAM, digest="no digest here")
        with pytest.raises(Unavailable, match="holds no SHA-256 for file"):
            await fetch_program(release, tmp_path / "tool")
        releases.files.pop("/file.sha256")
        with pytest.raises(Unavailable, match="could not be fetched"):
            await fetch_program(release, tmp_path / "tool")
    assert "/file" not in releases.asked
    assert [] == names(tmp_path)


async def test_an_archive_without_the_program_is_of_no_use(tmp_path: Path) -> None:
    packed = archive("something/else", PROGRAM)
    with serving() as releases:
        release = offered(releases, packed, digest=sha256(packed), member="linux-amd64/helm")
        with pytest.raises(Unavailable, match="holds no file linux-amd64/helm"):
            await fetch_program(release, tmp_path / "helm")
    assert [] == names(tmp_path)


async def test_nobody_there_is_said_plainly(tmp_path: Path) -> None:
    with serving() as releases:
        base = releases.base
    with pytest.raises(Unavailable, match="could not be fetched"):
        await fetch_program(ReleaseFile(f"{base}/file", f"{base}/file.sha256"), tmp_path / "tool")


async def test_an_earlier_program_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"old")
    with serving() as releases:
        release = offered(releases, PROGRAM, digest="0" * 64)
        with pytest.raises(BinariesError):
            await fetch_program(release, tmp_path / "tool")
    assert b"old" == (tmp_path / "tool").read_bytes()

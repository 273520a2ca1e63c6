"""Fetching upstream's release files, each verified before it is used.

The window of this room on other machines. A file whose digest is not the published one is refused and removed; one that
cannot be reached is left to whoever can build it. Nothing is kept half: a program appears whole, by a rename.
"""

import asyncio
import hashlib
import tarfile
from pathlib import Path

import httpx2

from extensa.base.errors import Unavailable
from extensa.localcluster.errors import BinariesError
from extensa.localcluster.releases import ReleaseFile, expected_digest

_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_LARGEST_CHECKSUMS = 64 * 1024


async def fetch_program(release: ReleaseFile, target: Path) -> int:
    """Fetch ``release``, verify it, and put the program at ``target``, executable; return the bytes fetched.

    Raises `Unavailable` when it or its checksum file cannot be had, `BinariesError` (``ChecksumMismatch``) when it is
    not what upstream says it is, and `OSError` when it cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    unpacked = target.with_name(f".{target.name}.unpacked")
    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT, follow_redirects=True) as client:
            wanted = await _published_digest(client, release)
            size, found = await _fetch(client, release.url, part)
        if found != wanted:
            raise BinariesError(
                "ChecksumMismatch",
                f"{release.url} has SHA-256 {found}, but {release.checksums} says {wanted}; the file was refused.",
                target=release.url,
                next_step="Check the address of the release files; leave it empty to build from source instead.",
            )
        ready = part
        if release.member:
            await asyncio.to_thread(_unpack, part, release.member, unpacked)
            ready = unpacked
        ready.chmod(0o755)
        ready.replace(target)
        return size
    except httpx2.HTTPError as error:
        raise Unavailable("DownloadFailed", f"{release.url} could not be fetched: {error!r}") from error
    finally:
        part.unlink(missing_ok=True)
        unpacked.unlink(missing_ok=True)


async def _published_digest(client: httpx2.AsyncClient, release: ReleaseFile) -> str:
    answer = await client.get(release.checksums)
    answer.raise_for_status()
    if len(answer.content) > _LARGEST_CHECKSUMS:
        raise Unavailable("DownloadFailed", f"{release.checksums} is too large for a checksum file.")
    digest = expected_digest(answer.text, release.file_name)
    if digest is None:
        raise Unavailable("DownloadFailed", f"{release.checksums} holds no SHA-256 for {release.file_name}.")
    return digest


async def _fetch(client: httpx2.AsyncClient, url: str, part: Path) -> tuple[int, str]:
    state, size = hashlib.sha256(), 0
    async with client.stream("GET", url) as answer:
        answer.raise_for_status()
        with part.open("wb") as sink:
            async for chunk in answer.aiter_raw():
                state.update(chunk)
                size += len(chunk)
                sink.write(chunk)
    return size, state.hexdigest()


def _unpack(archive: Path, member: str, target: Path) -> None:
    try:
        with tarfile.open(archive, "r:gz") as bundle:
            source = bundle.extractfile(member)
            if source is None:
                raise KeyError(member)
            with target.open("wb") as sink:
                while chunk := source.read(1024 * 1024):
                    sink.write(chunk)
    except (KeyError, tarfile.TarError) as error:
        raise Unavailable("DownloadFailed", f"{archive.name} holds no file {member}.") from error

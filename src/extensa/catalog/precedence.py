"""The order of versions: semantic versioning 2.0, and nothing else.

Pure. The text of a version is its publisher's; only its order is decided here.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol, TypeVar

from semver import Version


class Versioned(Protocol):
    """Anything with a version."""

    @property
    def version(self) -> str:
        """A semantic version."""
        ...


V = TypeVar("V", bound=Versioned)


@lru_cache(maxsize=4096)
def parse(version: str) -> Version | None:
    """Return the parsed version, or None when ``version`` is no semantic version (``1.2.0``, ``2.0.0-rc.1``)."""
    return Version.parse(version) if Version.is_valid(version) else None


def newest_first(versions: Iterable[V]) -> list[V]:
    """Return ``versions`` by precedence, newest first; those that differ in build metadata only go by their text."""
    return sorted(versions, key=lambda each: (_ordered(each.version), each.version), reverse=True)


def _ordered(version: str) -> Version:
    return parse(version) or Version(0)

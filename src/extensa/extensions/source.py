"""What this room asks of others: which cluster, which type, and questions for live eyes.

Protocols, so that services are tested with doubles of ours and the rooms below can change their insides; the facts
themselves come in those rooms' own words. The services of ``clusters`` and ``catalog`` satisfy them as they are.
"""

from datetime import datetime
from typing import Protocol

from extensa.catalog.model import ExtensionType
from extensa.clusters.model import Cluster
from extensa.link.question import Answer, Question


class Clusters(Protocol):
    """Which clusters exist."""

    async def find(self, cluster_key: str) -> Cluster | None:
        """Return the cluster with this row key, or None."""
        ...

    def heard(self, name: str, now: datetime) -> None:
        """Remember that an agent speaks now."""
        ...


class Catalog(Protocol):
    """What can be installed."""

    async def find(self, extension_type: str) -> ExtensionType | None:
        """Return the type of this name, in any letters, or None."""
        ...


class Questions(Protocol):
    """What needs live eyes."""

    async def ask(self, agent: str, question: Question, now: datetime) -> Answer:
        """Return the agent's answer; raises `Unavailable` when none comes before the question's deadline."""
        ...

"""The third pair: what needs live eyes, asked with a deadline and answered once.

Rendered what-if, preflight, evidence, command invoke, image load, chart lint and ``helm verify`` ride on this pair; a
kind the other side does not know is answered with the failure ``UnknownQuestion``.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

LARGEST_ANSWER = 1024 * 1024
"""Bytes of an answer's encoded JSON at the most; what is larger is cut by the one who answers."""


class Kind(StrEnum):
    """What may be asked."""

    OBJECTS = "objects"
    """The live objects of an extension's release with their health."""
    EVIDENCE = "evidence"
    """What the agent kept of a failed generation (``arguments``: ``generation``, and ``have``, the ids already known):
    the oldest as ``evidence`` (`link.evidence`, or null), and whether there is ``more``.
    """
    PING = "ping"
    """Whether the agent can reach the cluster's API, and its version."""


class Question(Struct, frozen=True, kw_only=True):
    """One question to an agent: ``subject`` is the extension's or cluster's uid, ``deadline`` an absolute time."""

    id: str
    kind: str
    cluster_uid: str
    subject: str
    deadline: datetime
    correlation_id: str
    arguments: dict[str, Any] = {}


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to the question with the same ``id``: ``body``, or a ``failure_code`` and ``failure_message``."""

    id: str
    body: dict[str, Any] = {}
    failure_code: str = ""
    failure_message: str = ""


class QuestionFeed(Struct, frozen=True, kw_only=True):
    """One answer to a long poll for questions."""

    cursor: int
    questions: list[Question]

"""The link's carrier: agents and hosts call in, ask for what is new, and report what they have seen.

Three pairs of documents and the charts (`extensa.link`). A host sees clusters, an agent extensions, questions and
charts; neither may ask for the other's lane, which the credential names and no parameter can change. A feed is held up
to 55 s. What the documents mean is for the rooms below.
"""

import base64
import re
from typing import TypeVar

import msgspec

from extensa.base.clock import Clock
from extensa.base.errors import Forbidden, NotFound, Refused
from extensa.edge.body import invalid
from extensa.edge.exchange import Exchange, Reply
from extensa.edge.holds import Holds
from extensa.edge.port import Charts, Clusters, Extensions, Questions
from extensa.edge.render import json_reply
from extensa.link.cluster import ClusterReports
from extensa.link.extension import ExtensionReports
from extensa.link.question import LARGEST_ANSWER, Answer

LONGEST_WAIT = 55.0
"""Seconds a feed is held at the most; proxies commonly cut at 60."""
LARGEST_REPORT = 16 * 1024 * 1024
"""Bytes of a batch of reports at the most."""
ROOM_FOR_ANSWER = LARGEST_ANSWER + 64 * 1024

_KEY_BYTES = 32
_LONGEST_CURSOR = 18  # digits: what fits into 64 bits, whatever they are
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
D = TypeVar("D")


class LinkHandler:
    """The six feeds and reports, and the charts."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        extensions: Extensions,
        questions: Questions,
        charts: Charts,
        holds: Holds,
        clock: Clock,
    ) -> None:
        self._clusters = clusters
        self._extensions = extensions
        self._questions = questions
        self._charts = charts
        self._holds = holds
        self._clock = clock

    async def extensions(self, exchange: Exchange) -> Reply:
        """Answer an agent with the extensions that are new to it, sealed to the key it names."""
        agent = self._speaker(exchange, "agent")
        key = _agent_key(exchange)
        after, wait = _cursor(exchange)
        feed = await self._holds.hold(
            lambda held: self._extensions.feed(agent, after=after, wait=held, agent_key=key), wait
        )
        return json_reply(200, feed)

    async def observe_extensions(self, exchange: Exchange) -> Reply:
        """Take in an agent's reports on extensions."""
        agent = self._speaker(exchange, "agent")
        await self._extensions.observe(agent, await _document(exchange, ExtensionReports))
        return Reply(204)

    async def clusters(self, exchange: Exchange) -> Reply:
        """Answer a host with the clusters that are new to it."""
        host = self._speaker(exchange, "host")
        after, wait = _cursor(exchange)
        return json_reply(
            200, await self._holds.hold(lambda held: self._clusters.feed(host, after=after, wait=held), wait)
        )

    async def observe_clusters(self, exchange: Exchange) -> Reply:
        """Take in a host's reports on clusters."""
        host = self._speaker(exchange, "host")
        await self._clusters.observe(host, await _document(exchange, ClusterReports))
        return Reply(204)

    async def questions(self, exchange: Exchange) -> Reply:
        """Answer an agent with the questions that are new to it."""
        agent = self._speaker(exchange, "agent")
        after, wait = _cursor(exchange)
        return json_reply(
            200, await self._holds.hold(lambda held: self._questions.feed(agent, after=after, wait=held), wait)
        )

    async def answer(self, exchange: Exchange) -> Reply:
        """Take in an agent's answer to a question."""
        agent = self._speaker(exchange, "agent")
        await self._questions.answer(agent, await _document(exchange, Answer))
        return Reply(204)

    async def chart(self, exchange: Exchange) -> Reply:
        """Answer an agent with a chart archive."""
        self._speaker(exchange, "agent")
        digest = exchange.names["digest"]
        content = await self._charts.chart(digest) if _DIGEST.match(digest) else None
        if content is None:
            raise NotFound("ChartNotFound", f"There is no chart '{digest}'.", target=digest)
        return Reply(200, content, [(b"content-type", b"application/gzip")])

    def _speaker(self, exchange: Exchange, kind: str) -> str:
        """Return the name of the host or agent that calls, and remember that it does.

        Raises `Forbidden` when it is of the other kind.
        """
        link = exchange.link
        if link is None or link.kind != kind:
            other = "something else" if link is None else link.kind
            raise Forbidden(
                "LinkCredentialMismatch",
                f"This path is for the {kind}, and the credential is that of the {other}.",
                target=exchange.path,
            )
        self._clusters.heard(link.name, self._clock())
        return link.name


def _agent_key(exchange: Exchange) -> str:
    """Return the public key that an agent wants its secrets sealed to; raises `Refused` when it is none."""
    key = exchange.header(b"extensa-agent-key") or ""
    try:
        whole = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except ValueError:
        whole = False
    if not whole:
        raise Refused(
            "InvalidAgentKey",
            f"The header 'Extensa-Agent-Key' must hold an X25519 public key: {_KEY_BYTES} bytes in base64.",
            target="Extensa-Agent-Key",
        )
    return key


def _cursor(exchange: Exchange) -> tuple[int, float]:
    """Return ``after`` and ``wait`` of a feed request; raises `Refused` when either is no number."""
    after, wait = exchange.query.get("after", "0"), exchange.query.get("wait", "0")
    if not (after.isascii() and after.isdecimal() and len(after) <= _LONGEST_CURSOR):
        raise Refused("InvalidCursor", f"'after' must be a whole number, not '{after}'.", target="after")
    if not (wait.isascii() and wait.isdecimal()):
        raise Refused("InvalidWait", f"'wait' must be a whole number of seconds, not '{wait}'.", target="wait")
    return int(after), min(float(wait[:9]), LONGEST_WAIT)


async def _document(exchange: Exchange, kind: type[D]) -> D:
    """Return the body as a document of the link; raises `Refused` that names the field at fault."""
    raw = await exchange.body()
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise invalid(f"The document does not fit {kind.__name__}: {error}.") from error

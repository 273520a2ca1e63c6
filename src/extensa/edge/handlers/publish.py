"""Publishing a version of an extension type: the chart archive itself is the body.

An additive path of ours (Azure has no public one): ``PUT …/extensionTypes/{t}/versions/{v}?train=stable`` with
``application/gzip``. The archive is taken in piece by piece and given up at 16 MB; what is in it the catalog judges.
"""

from collections.abc import Sequence

from extensa.arm import api_versions
from extensa.arm.binding import Request
from extensa.base.errors import Refused
from extensa.edge.actions import action
from extensa.edge.exchange import Exchange, Reply
from extensa.edge.port import Authority, Directory, Publisher
from extensa.edge.render import answer_reply

PUBLISHED = "Microsoft.KubernetesConfiguration/extensionTypes/versions"
"""The type that is published."""
LARGEST_CHART = 16 * 1024 * 1024
"""Bytes of a chart archive at the most."""
_GZIP = ("application/gzip", "application/x-gzip", "application/x-tar+gzip", "application/octet-stream")


class PublishHandler:
    """Takes chart archives for the catalog."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        authority: Authority,
        directory: Directory,
        api_versions: Sequence[str],
        base_url: str,
    ) -> None:
        self._publisher = publisher
        self._directory = directory
        self._known = api_versions
        self._authority = authority
        self._base_url = base_url

    async def publish(self, exchange: Exchange) -> Reply:
        """Hand an archive to the catalog; 201 with the version as it reads from now on, 200 when it was there."""
        target, caller = exchange.target, exchange.signed_in()
        self._authority.authorize(caller, action(target.type, "write"), target.key)
        self._directory.require(target.subscription)
        asked = api_versions.require(exchange.query.get("api-version"))
        media = (exchange.header(b"content-type") or "").partition(";")[0].strip().casefold()
        if media not in _GZIP:
            raise Refused(
                "UnsupportedMediaType",
                f"A version is published as a chart archive ('{_GZIP[0]}'), not '{media}'.",
                target="Content-Type",
                next_step="Pack the chart with `helm package` and send the .tgz file as the body.",
                status=415,
            )
        request = Request(
            caller=caller,
            id=target,
            api_version=api_versions.resolve(asked, self._known, resource_type=target.type),
            asked_version=asked,
            correlation_id=exchange.correlation_id,
            query=exchange.query,
        )
        answer = await self._publisher.publish_version(request, await exchange.body())
        return answer_reply(answer, request, self._base_url)

"""A cluster's API, as much of it as a guest needs: get, list, apply, rehearse, delete, watch.

Plain HTTP with a bounded number of requests at once; objects are the API's own JSON. Kinds are found by discovery and
remembered. A watch here ends with its connection: who watches (``watches.py``) opens it again. It decodes and maps
errors to `ClusterError`; it never tries again by itself.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import msgspec
from msgspec import Struct

from extensa.agent.kubeconfig import Access
from extensa.helm.causes import TABLE
from extensa.helm.errors import ClusterError
from extensa.helm.release import ObjectRef

_AT_ONCE = 8
_ANSWER = httpx2.Timeout(connect=5.0, read=30.0, write=30.0, pool=60.0)
_IDLE = 20.0
"""Seconds after which a connection that nobody uses is given up: it may be dead by then, and nobody would know."""
_WATCH_SECONDS = 290
_SILENCE = httpx2.Timeout(connect=5.0, read=150.0, write=30.0, pool=60.0)
"""A watch that brings nothing for so long is dead: the API sends a bookmark every minute."""
_BARE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_BARE_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_APPLY = "application/apply-patch+yaml"
_FIELD_MANAGER = "extensa-agent"
_PAGE = "500"
_MANAGER = re.compile(r'conflict with "([^"]*)"')
_LOST = (httpx2.TransportError, httpx2.StreamError, RuntimeError)
"""How httpx2 says that a connection failed, or that its client was closed meanwhile (RuntimeError)."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """A hint from a watch: something about this object is different now."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    edition: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What an object would be after an apply, None when there is none; ``owners`` are the fields that the apply would
    take from others, as the API writes them, and from whom.
    """

    after: dict[str, Any] | None
    owners: Mapping[str, str]


class _Meta(Struct):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""  # noqa: N815 - the API's word
    labels: dict[str, str] | None = None


class _Reason(Struct):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(Struct):
    causes: list[_Reason] | None = None


class _Object(Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    code: int = 0
    message: str = ""
    details: _Details | None = None


class _Page(Struct):
    metadata: dict[str, Any]
    items: list[_Object] | None = None


class _Event(Struct):
    type: str
    object: _Object


@dataclass(frozen=True, slots=True)
class _Resource:
    plural: str
    namespaced: bool


class KubeClient:
    """One cluster's API. It satisfies `helm.look.Kube`; close it when done."""

    def __init__(self, access: Access) -> None:
        """No request is made yet."""
        limits = httpx2.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE, keepalive_expiry=_IDLE)
        open_end = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._asking = httpx2.AsyncClient(
            base_url=access.server, verify=access.tls, headers=access.headers, timeout=_ANSWER, limits=limits,
            trust_env=False,
        )  # fmt: skip
        self._watching = httpx2.AsyncClient(
            base_url=access.server, verify=access.tls, headers=access.headers, timeout=_SILENCE, limits=open_end,
            trust_env=False,
        )  # fmt: skip
        self._kinds: dict[str, dict[str, _Resource]] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        """End every connection."""
        await self._asking.aclose()
        await self._watching.aclose()

    async def version(self) -> str:
        """Return the API's version, such as v1.37.1."""
        answer = await self._ask("GET", "/version")
        return str((answer or {}).get("gitVersion", ""))

    async def get(self, ref: ObjectRef, *, bare: bool = False) -> dict[str, Any] | None:
        """See `helm.look.Kube.get`."""
        path = await self._path(ref.api_version, ref.kind, ref.namespace)
        return None if path is None else await self._ask("GET", f"{path}/{ref.name}", accept=_BARE if bare else "")

    async def list(
        self, api_version: str, kind: str, namespace: str, *, labels: str = "", bare: bool = False
    ) -> list[dict[str, Any]]:
        """See `helm.look.Kube.list`."""
        path = await self._path(api_version, kind, namespace)
        if path is None:
            return []
        params = {"labelSelector": labels} if labels else {}
        answer = await self._ask("GET", path, params=params, accept=_BARE_LIST if bare else "")
        return list((answer or {}).get("items") or ())

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        """Return the last lines of a container's log; raises `ClusterError`, also when there is no such Pod."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        params = {"container": container, "tailLines": str(lines), "limitBytes": "65536"}
        if previous:
            params["previous"] = "true"
        try:
            async with self._gate:
                answer = await self._asking.get(path, params=params)
        except _LOST as error:
            raise _unreachable(error) from error
        if answer.status_code >= 400:
            raise _refusal(answer.status_code, answer.content, "GET", path)
        return answer.content.decode("utf-8", "replace")

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        """Make an object as ``manifest`` says (server-side apply, ours is the last word); raises `ClusterError`."""
        metadata = manifest["metadata"]
        ref = ObjectRef(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        path = await self._path(ref.api_version, ref.kind, ref.namespace)
        if path is None:
            raise ClusterError("KindUnknown", f"The cluster does not know the kind {ref.kind}.", target=str(ref))
        params = {"fieldManager": _FIELD_MANAGER, "force": "true"}
        await self._ask("PATCH", f"{path}/{ref.name}", params=params, body=manifest)

    async def rehearse(self, ref: ObjectRef, manifest: Mapping[str, Any], *, manager: str) -> Rehearsal:
        """Return what ``manifest`` would make of an object if ``manager`` applied it; nothing is changed.

        Fields that others own are taken from them too, in the rehearsal only: it is asked a second time for that, since
        only a refusal names the owners. Raises `ClusterError`.
        """
        path = await self._path(ref.api_version, ref.kind, ref.namespace)
        if path is None:
            return Rehearsal(None, {})
        params = {"fieldManager": manager, "dryRun": "All", "fieldValidation": "Ignore"}
        place = f"{path}/{ref.name}"
        try:
            return Rehearsal(await self._ask("PATCH", place, params=params, body=manifest), {})
        except ClusterError as error:
            if not error.owners:
                raise
            after = await self._ask("PATCH", place, params={**params, "force": "true"}, body=manifest)
            return Rehearsal(after, error.owners)

    async def editions(self, api_version: str, kind: str, *, labels: str) -> Sequence[Change]:
        """Return the names and editions of all objects of a kind that carry ``labels``, wherever they are.

        It is asked over a connection of its own, for it is to find out what dead ones have kept silent about. Raises
        `ClusterError`.
        """
        path = await self._path(api_version, kind, "")
        found: list[Change] = []
        params = {"labelSelector": labels, "limit": _PAGE}
        while path is not None and (
            content := await self._raw("GET", path, params=params, accept=_BARE_LIST, apart=True)
        ):
            page = _decoded(content, _Page)
            for item in page.items or ():
                meta = item.metadata
                found.append(Change(meta.namespace, meta.name, meta.labels or {}, meta.resourceVersion))
            if not (more := page.metadata.get("continue")):
                break
            params["continue"] = str(more)
        return found

    async def delete(self, ref: ObjectRef) -> None:
        """Delete an object; one that is not there is no error. Raises `ClusterError`."""
        path = await self._path(ref.api_version, ref.kind, ref.namespace)
        if path is not None:
            await self._ask("DELETE", f"{path}/{ref.name}")

    async def kinds(self) -> tuple[tuple[str, str], ...]:
        """Return every kind whose objects can be listed and deleted, as (apiVersion, kind).

        Of a group it is the version that the API prefers. A group whose server does not answer is left out. Raises
        `ClusterError`.
        """
        answer = await self._ask("GET", "/apis")
        versions = [found["preferredVersion"]["groupVersion"] for found in (answer or {}).get("groups") or ()]
        known: tuple[tuple[str, str], ...] = ()
        for version in ("v1", *versions):
            root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
            with contextlib.suppress(ClusterError):
                found = await self._ask("GET", root)
                listed = (found or {}).get("resources") or ()
                known += tuple((str(version), str(each["kind"])) for each in listed if _goes(each))
        return known

    async def free(self, ref: ObjectRef) -> None:
        """Take every finalizer off an object; one that is not there is no error. Raises `ClusterError`."""
        path = await self._path(ref.api_version, ref.kind, ref.namespace)
        if path is not None:
            body = {"metadata": {"finalizers": None}}
            await self._ask("PATCH", f"{path}/{ref.name}", body=body, content_type="application/merge-patch+json")

    async def watch(
        self, api_version: str, kind: str, *, labels: str, since: str = ""
    ) -> AsyncGenerator[Change | None, None]:
        """Yield None once the watch stands, then a `Change` for every event, until the server ends it.

        ``since`` is the edition heard last; without it, from now on. Raises `ClusterError`, with ``http`` 410 when
        ``since`` is too old.
        """
        path = await self._path(api_version, kind, "")
        if path is None:
            raise ClusterError("KindUnknown", f"The cluster does not know the kind {kind}.", http=404)
        if not since:
            first = await self._ask("GET", path, params={"labelSelector": labels, "limit": "1"}, accept=_BARE_LIST)
            since = str(((first or {}).get("metadata") or {}).get("resourceVersion", ""))
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
            "resourceVersion": since,
            "labelSelector": labels,
        }
        try:
            async with self._watching.stream("GET", path, params=params, headers={"accept": _BARE}) as answer:
                if answer.status_code != 200:
                    raise _refusal(answer.status_code, await answer.aread(), "GET", path)
                yield None
                async for line in answer.aiter_lines():
                    if line:
                        yield _change(line)
        except _LOST as error:
            raise _unreachable(error) from error

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = "",
        body: Mapping[str, Any] | None = None,
        content_type: str = _APPLY,
    ) -> dict[str, Any] | None:
        """Return the decoded answer, None for 404; raises `ClusterError`."""
        content = await self._raw(method, path, params=params, accept=accept, body=body, content_type=content_type)
        return None if content is None else _decoded(content, dict[str, Any])

    async def _raw(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = "",
        body: Mapping[str, Any] | None = None,
        content_type: str = _APPLY,
        apart: bool = False,
    ) -> bytes | None:
        """Return the answer as it came, None for 404; ``apart`` asks over a connection of its own. Raises
        `ClusterError`.
        """
        headers = {"accept": f"{accept},application/json" if accept else "application/json"}
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            headers["content-type"] = content_type
        try:
            async with self._gate:
                client = self._watching if apart else self._asking
                answer = await client.request(
                    method, path, params=params, headers=headers, content=content, timeout=_ANSWER
                )
        except _LOST as error:
            raise _unreachable(error) from error
        if answer.status_code == 404:
            return None
        if answer.status_code >= 400:
            raise _refusal(answer.status_code, answer.content, method, path)
        return answer.content

    async def _path(self, api_version: str, kind: str, namespace: str) -> str | None:
        """Return where objects of a kind are found, None when the API does not know it."""
        root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        kinds = self._kinds.get(api_version)
        if kinds is None or kind not in kinds:
            kinds = self._kinds[api_version] = await self._discover(root)
        resource = kinds.get(kind)
        if resource is None:
            return None
        return (
            f"{root}/namespaces/{namespace}/{resource.plural}"
            if namespace and resource.namespaced
            else f"{root}/{resource.plural}"
        )

    async def _discover(self, root: str) -> dict[str, _Resource]:
        answer = await self._ask("GET", root)
        return {
            str(found["kind"]): _Resource(str(found["name"]), bool(found["namespaced"]))
            for found in (answer or {}).get("resources") or ()
            if "/" not in found["name"]
        }


def _decoded(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise ClusterError(
            "ApiServerError", "The cluster's API answered with something else.", transient=True
        ) from error


def _goes(resource: Mapping[str, Any]) -> bool:
    return "/" not in resource["name"] and {"list", "delete"} <= set(resource.get("verbs") or ())


def _change(line: str) -> Change:
    try:
        event = msgspec.json.decode(line, type=_Event)
    except msgspec.MsgspecError as error:
        raise ClusterError("ApiServerError", "A watch brought something that is no event.", transient=True) from error
    if event.type == "ERROR":
        message = event.object.message or "The watch was ended."
        raise ClusterError("ApiServerError", message, http=event.object.code, transient=True)
    found = event.object.metadata
    return Change(found.namespace, found.name, found.labels or {}, found.resourceVersion)


def _unreachable(error: Exception) -> ClusterError:
    words = str(error) or type(error).__name__
    return ClusterError(
        "ApiServerUnreachable", f"The cluster's API does not answer: {words}.", raw=words, transient=True
    )


def _refusal(status: int, content: bytes, method: str, path: str) -> ClusterError:
    owners: dict[str, str] = {}
    try:
        refused = msgspec.json.decode(content, type=_Object)
        said = refused.message
        for cause in (refused.details.causes if refused.details is not None else None) or ():
            if cause.reason == "FieldManagerConflict" and (named := _MANAGER.search(cause.message)) is not None:
                owners[cause.field] = named[1]
    except msgspec.MsgspecError:
        said = content[:200].decode("utf-8", "replace")
    code, transient = _CODES.get(status, ("ApiServerError" if status >= 500 else "ObjectInvalid", status >= 500))
    message = f"{TABLE[code].words.removesuffix('.')}: {method} {path} ended with {status}: {said}"
    return ClusterError(code, message, http=status, raw=said, transient=transient, owners=owners)


_CODES = {
    401: ("CredentialsRejected", True),
    403: ("Forbidden", True),  # an API server that has just started does not know its roles yet
    409: ("FieldConflict", True),
    410: ("ApiServerError", True),
    429: ("ApiServerThrottling", True),
}

"""A server of admission and conversion webhooks on loopback that answers as badly as it is asked to.

/deny   refuses every object with a reason       /slow   takes the call and never answers
/bad    allows, with a patch that cannot be applied
"""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from tempfile import NamedTemporaryFile
from typing import Any

from extensa.base.certificates import issue, new_authority
from extensa.base.clock import utc_now

REASON = "team says no: label owner is missing"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Where the server listens and whom to trust there."""

    url: str
    authority: str
    """Base64 of the CA's PEM, as ``caBundle`` wants it."""


@asynccontextmanager
async def serve_webhooks() -> AsyncIterator[Webhooks]:
    """Serve for the length of the block."""
    now = utc_now() - timedelta(minutes=5)
    authority = new_authority("webhooks", now=now, days=1, permitted_ips=("127.0.0.1",))
    leaf = issue(authority, common_name="webhooks", now=now, ips=("127.0.0.1",), usage="server", days=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with NamedTemporaryFile() as file:
        file.write(leaf.key + leaf.certificate)
        file.flush()
        context.load_cert_chain(file.name)
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, ssl=context)
    bundle = base64.b64encode(authority.certificate).decode()
    try:
        yield Webhooks(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", bundle)
    finally:
        server.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while request := await reader.readline():
            path, length = request.split()[1].decode(), 0
            while (line := await reader.readline()).strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            asked = json.loads(await reader.readexactly(length))
            if path.startswith("/slow"):
                await asyncio.sleep(60)
            body = json.dumps(_answer(path.partition("?")[0], asked["request"])).encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def _answer(path: str, request: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": request["uid"], "allowed": path != "/deny"}
    if path == "/deny":
        response["status"] = {"message": REASON}
    if path == "/bad":
        patch = json.dumps([{"op": "replace", "path": "/no/such/place", "value": 1}]).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

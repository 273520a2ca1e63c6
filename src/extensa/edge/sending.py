"""Putting a reply on the wire: one place that writes a status and a length.

Apart from `render`, which decides what a reply says and does no I/O.
"""

from starlette.types import Send

from extensa.edge.exchange import Exchange, Reply

_BODILESS = (204, 304)


async def send_reply(exchange: Exchange, reply: Reply, send: Send) -> None:
    """Send ``reply`` and write its status into the exchange; a HEAD request gets the headers alone."""
    exchange.status = reply.status
    headers = reply.headers
    if reply.status not in _BODILESS:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if exchange.method == "HEAD" or reply.status in _BODILESS else reply.body
    await send({"type": "http.response.body", "body": body})

"""A load generator that costs little itself: raw HTTP/1.1 over TLS on keep-alive connections, to loopback only.

The same generator drives Extensa and its peers, so that a ratio compares servers, not clients.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICKS = 100
"""USER_HZ on Linux: the unit of /proc/PID/stat (proc(5))."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send: a loopback port, the CA that signed it, and an optional client certificate."""

    port: int
    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class Load:
    """What a run cost: requests sent, wall seconds, and CPU seconds of the processes that served them."""

    requests: int
    wall: float
    cpu: float

    @property
    def per_cpu_second(self) -> float:
        """Requests per CPU second of the serving processes."""
        return self.requests / self.cpu if self.cpu else float("inf")


def cpu_seconds(pids: list[int]) -> float:
    """User and system seconds that ``pids`` have used so far (proc(5), fields 14 and 15)."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / CLOCK_TICKS


def resident_mib(pid: int) -> float:
    """Resident memory of ``pid`` in MiB (proc(5), VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def request(method: str, path: str, *, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One HTTP/1.1 request, ready to send."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> int:
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    length, chunked = 0, False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
        chunked = chunked or line.startswith(b"transfer-encoding: chunked")
    if chunked:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif length:
        await reader.readexactly(length)
    return status


async def drive(target: Target, make: Callable[[int], bytes], *, total: int, connections: int, pids: list[int]) -> Load:
    """Send ``make(0) … make(total - 1)`` over ``connections`` connections; return what it cost ``pids``.

    Raises `RuntimeError` at the first answer that is not 2xx.
    """
    context = ssl.create_default_context(cafile=str(target.ca))
    if target.certificate is not None:
        context.load_cert_chain(target.certificate, target.key)
    numbers = iter(range(total))

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in numbers:
            status = await _exchange(reader, writer, make(number))
            if not 200 <= status < 300:
                raise RuntimeError(f"request {number} was answered {status}")
        writer.close()

    opened = [
        await asyncio.open_connection("127.0.0.1", target.port, ssl=context, server_hostname=target.host, limit=1 << 20)
        for _ in range(connections)
    ]
    cpu, wall = cpu_seconds(pids), time.perf_counter()
    await asyncio.gather(*(one(reader, writer) for reader, writer in opened))
    return Load(total, time.perf_counter() - wall, cpu_seconds(pids) - cpu)

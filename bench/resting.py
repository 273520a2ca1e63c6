"""What the product costs when nothing happens, and how fast it starts: memory, the command line, a full database."""

import asyncio
import os
import statistics
import subprocess
import time
from pathlib import Path

from bench.installation import Installation, ServerAlone
from bench.load import resident_mib
from bench.releases import put_and_wait
from bench.table import Row
from extensa.client import paths
from extensa.store.port import Expect, PutResource
from extensa.store.sqlite import open_store

REST = 45.0
STORED = 10_000


def memory(bench: Installation, clusters: list[str], *, extensions: int) -> list[Row]:
    """Resident memory at rest of our processes and of a cluster's own, with ``extensions`` on each of ``clusters``."""
    arm = bench.caller()
    for number in range(extensions):
        for cluster in clusters:
            put_and_wait(arm, bench.cluster(arm, cluster), f"rest-{number}")
    time.sleep(REST)
    rows = []
    told = f"{len(clusters)} clusters × {extensions} extensions"
    for process in ("server", "host", "agent"):
        found = resident_mib(bench.product.pid(process))
        rows.append(Row(f"idle memory, {process}", told, "–", found, 120, unit="MiB"))
    each = [sum(resident_mib(pid) for pid in bench.programs_of(cluster)) for cluster in clusters]
    rows.append(Row("idle memory, a cluster's control plane", told, "–", statistics.median(each), 800, unit="MiB"))
    return rows


def command_line(bench: Installation, cluster: str) -> list[Row]:
    """Wall time of two commands, warm."""
    product = bench.product
    arm = bench.caller()
    put_and_wait(arm, bench.cluster(arm, cluster), "shown")
    rows = []
    show = ["extension", "show", "-g", "bench", "-c", cluster, "-t", "managedClusters", "-n", "shown"]
    for what, argv, aim in (("extensa --help", ["--help"], 150), ("extensa extension show", show, 250)):
        took = []
        for _ in range(11):
            begun = time.perf_counter()
            subprocess.run([str(product.program), *argv], env=product.env, capture_output=True, check=True)
            took.append((time.perf_counter() - begun) * 1000)
        rows.append(Row(what, f"median of {len(took)}", "–", statistics.median(took[1:]), aim, unit="ms"))
    return rows


def start(alone: ServerAlone) -> Row:
    """Seconds from starting a server over ten thousand stored extensions until it serves."""
    arm = alone.caller()
    path = paths.extension(alone.cluster(arm, "paper"), "subject-0")
    arm.get(path, paths.EXTENSIONS_API)
    alone.stop()
    asyncio.run(_multiply(alone.home.database, path.casefold()))
    took = alone.start()
    listed = sum(1 for _ in alone.caller().list(path.rpartition("/")[0], paths.EXTENSIONS_API, **{"$top": "1000"}))
    if listed < STORED:
        raise RuntimeError(f"the server lists {listed} extensions, not {STORED}")
    return Row(f"start with {STORED:,} extensions stored", "until /readyz", "–", took, 3, unit="s")


async def _multiply(database: Path, key: str) -> None:
    """Write copies of one stored extension under other names, as many as wanted."""
    store = await open_store(database)
    row = await store.get(key)
    if row is None:
        raise RuntimeError(f"nothing is stored under {key}")
    name = key.rpartition("/")[2]
    for first in range(0, STORED, 500):
        copies = [
            PutResource(
                key=key.removesuffix(name) + f"copy-{number}",
                type=row.type,
                body=row.body.replace(f'"{name}"'.encode(), f'"copy-{number}"'.encode()),
                expect=Expect.ANYTHING,
            )
            for number in range(first, first + 500)
        ]
        await store.commit(copies)
    await store.close()
    os.sync()

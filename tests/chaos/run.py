"""A whole run of chaos: an installation, several extensions that move, one who kills, and looks in between."""

import asyncio
import random
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from chaos import invariants
from chaos.api import Api, set_up
from chaos.driver import Driver
from chaos.history import History
from chaos.installation import NAMES, Installation
from chaos.killer import CLUSTER_SIDE, Killer
from chaos.look import Eyes, check
from e2e.product import free_port

EXTENSIONS = {"one": "chaos.hooked", "two": "chaos.plain", "three": "chaos.plain", "four": "chaos.hooked"}
_REST = 150.0


@dataclass
class World:
    """An installation that is up, with everything to drive and judge it."""

    installation: Installation
    api: Api
    eyes: Eyes
    history: History
    chance: random.Random
    canary: str
    drivers: list[Driver] = field(default_factory=list)
    counted_before: int = 0

    def driver(self, name: str, type: str) -> Driver:
        """Someone who drives one more extension."""
        chance = random.Random(f"{self.history.seed} {name}")
        made = Driver(self.api, name, type, chance, self.history, self.canary)
        self.drivers.append(made)
        return made

    def known(self, name: str) -> Driver | None:
        """The one who drives an extension, when there is one."""
        return next((each for each in self.drivers if each.name == name), None)

    def jump(self, seconds: float, *names: str) -> None:
        """Let the clock of these processes, or of all, be wrong by so much from now on."""
        for name in names or NAMES:
            self.installation.clock(name).write_text(str(seconds), encoding="ascii")
        if seconds:
            self.history.fault("clock", seconds=seconds, of=names or NAMES)

    async def check(self, *drivers: Driver, within: float = _REST) -> None:
        """Hold everything against the invariants."""
        await check(self.installation, self.api, self.eyes, drivers or self.drivers, self.history, within=within)


@asynccontextmanager
async def world(
    folder: Path,
    *,
    data: Path | None = None,
    port: int = 0,
    seed: int | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[World]:
    """An installation with a running cluster, ended and searched for secrets afterwards.

    History is kept in ``folder``; so are the logs of a run that broke an invariant, when ``data`` is elsewhere.
    """
    seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
    history = History(folder / "history.jsonl", seed)
    chance = random.Random(seed)
    installation = Installation(folder, chance, settings, data, port=port or free_port())
    try:
        await installation.start()
        await asyncio.to_thread(set_up, installation)
        api, eyes = Api(installation), Eyes(installation)
        try:
            yield World(installation, api, eyes, history, chance, f"canary-{seed:08x}")
        finally:
            await api.close()
            await eyes.close()
    finally:
        await installation.stop()
    for words in [*installation.locks(), *(f"still runs: {line}" for line in installation.strays())]:
        history.violation(invariants.NO_LOCK, words)
    for words in await asyncio.to_thread(invariants.no_secret, installation.home.path, f"canary-{seed:08x}"):
        history.violation(invariants.NO_SECRET, words)
    if history.violations and data is not None:
        for name in ("logs", "agent"):
            await asyncio.to_thread(shutil.copytree, data / name, folder / name, dirs_exist_ok=True)


async def move(drivers: Sequence[Driver], *, seconds: float) -> None:
    """Drive all of them for so long."""
    moving = [asyncio.create_task(driver.run()) for driver in drivers]
    try:
        await asyncio.sleep(seconds)
    finally:
        await stop_moving(moving)


async def stop_moving(moving: Sequence[asyncio.Task[None]]) -> None:
    """End what `Driver.run` does; raises what it fell over."""
    for task in moving:
        task.cancel()
    for ended in await asyncio.gather(*moving, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


async def rounds(
    world: World,
    *,
    kills: int,
    least: int = 0,
    batch: int = 10,
    pause: float = 1.0,
    minutes: float = 1e9,
    crashes: bool = False,
) -> None:
    """Kill in batches while extensions move, and look after each batch, until enough were killed or time is over."""
    until, kills = time.monotonic() + minutes * 60, world.history.kills + kills
    for name, kind in EXTENSIONS.items():
        world.driver(name, kind)
    killer = Killer(world.installation, world.history, world.chance, kills, least, crashes)
    watching = asyncio.create_task(world.eyes.watch())
    try:
        while world.history.kills < kills and time.monotonic() < until:
            moving = [asyncio.create_task(driver.run()) for driver in world.drivers]
            try:
                await killer.run(batch, pause=pause)
            finally:
                await stop_moving(moving)
            began = time.monotonic()
            await world.check()
            world.history.note("batch", kills=world.history.kills, rest=round(time.monotonic() - began, 1))
            sys.stderr.write(f"{world.history.summary}; rest after {time.monotonic() - began:.1f} s\n")
            if world.history.violations:
                return
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    world.history.note("cluster side", kills=world.history.below(*CLUSTER_SIDE))

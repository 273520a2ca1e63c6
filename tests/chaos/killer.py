"""The one who kills: a program, a signal and a moment at random, from a seed.

``stop`` is SIGSTOP with SIGCONT a while later. Programs of the cluster are killed more seldom, for they take long to
come back; `Plan.least` sees to it that they have their share all the same.
"""

import asyncio
import contextlib
import os
import random
import signal
from dataclasses import dataclass

from chaos.history import History
from chaos.installation import Installation

_WEIGHTS = {"agent": 34, "server": 28, "helm": 26, "host": 3, "kube-apiserver": 5, "etcd": 4}
_SIGNALS = {"kill": 60, "stop": 22, "term": 18}
CLUSTER_SIDE = ("host", "kube-apiserver", "etcd")


@dataclass
class Killer:
    """Kills until it has killed ``wanted`` times, at least ``least`` of them host, API server or etcd."""

    installation: Installation
    history: History
    chance: random.Random
    wanted: int
    least: int = 0

    async def run(self, kills: int, *, pause: float) -> None:
        """Kill that many times, ``pause`` seconds apart on the average."""
        goal = min(self.history.kills + kills, self.wanted)
        while self.history.kills < goal:
            await asyncio.sleep(self.chance.uniform(0.2, 2 * pause - 0.2))
            await self.one(self._choice())

    def _choice(self) -> str:
        left = self.wanted - self.history.kills
        owed = self.least - self.history.below(*CLUSTER_SIDE)
        if owed > 0 and self.chance.random() < owed / max(left, 1):
            return self.chance.choice(CLUSTER_SIDE)
        return self.chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]

    async def one(self, program: str) -> None:
        """Send one signal to one process of ``program``, waiting a little for one to be there."""
        how = self.chance.choices(list(_SIGNALS), list(_SIGNALS.values()))[0]
        for _ in range(100):
            if pids := self.installation.named(program):
                break
            await asyncio.sleep(0.02)
        else:
            return
        pid = self.chance.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            if how == "stop":
                await self._stopped(program, pid)
                return
            os.kill(pid, signal.SIGKILL if how == "kill" else signal.SIGTERM)
            self.history.kill(how, program, pid)
            if how == "term" and program == "kube-apiserver":  # it waits a minute for whoever watches; a host does not
                await asyncio.sleep(2.0)
                os.kill(pid, signal.SIGKILL)

    async def _stopped(self, program: str, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        self.history.kill("stop", program, pid)
        try:
            await asyncio.sleep(self.chance.uniform(0.2, 2.0))
        finally:
            os.kill(pid, signal.SIGCONT)

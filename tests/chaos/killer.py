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
from chaos.installation import NAMES, Installation
from extensa.base.crash_points import POINTS
from extensa.base.processes import start_ticks

_WEIGHTS = {"agent": 34, "server": 28, "helm": 26, "host": 3, "kube-apiserver": 5, "etcd": 4, "everything": 2}
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
    crashes: bool = False
    """Whether crashes at named points are ordered, too."""
    _ordered: str = ""

    async def run(self, kills: int, *, pause: float) -> None:
        """Kill that many times, ``pause`` seconds apart on the average."""
        goal = min(self.history.kills + kills, self.wanted)
        while self.history.kills < goal:
            await asyncio.sleep(self.chance.uniform(0.1, 2 * pause - 0.1))
            if self.crashes and self.chance.random() < 0.1:
                self._order_a_crash()
            program = self._choice()
            if program == "everything":
                self._everything()
            else:
                await self.one(program)
        self._note_the_crash()

    def _order_a_crash(self) -> None:
        """Have whoever comes to a named point next die there, besides all else."""
        self._note_the_crash()
        self._ordered = self.chance.choice(list(POINTS))
        self.installation.crash_at(self._ordered)

    def _note_the_crash(self) -> None:
        if self._ordered and self.installation.crashed:
            self.history.fault("crash", point=self._ordered)
        self.installation.order.unlink(missing_ok=True)
        self._ordered = ""

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
        born = start_ticks(pid)  # a pid is given out anew before long
        with contextlib.suppress(ProcessLookupError):
            if how == "stop":
                await self._stopped(program, pid, born)
                return
            os.kill(pid, signal.SIGKILL if how == "kill" else signal.SIGTERM)
            self.history.kill(how, program, pid)
            if how == "term" and program == "kube-apiserver":  # it waits a minute for whoever watches; a host does not
                await asyncio.sleep(2.0)
                if start_ticks(pid) == born:
                    os.kill(pid, signal.SIGKILL)

    def _everything(self) -> None:
        """End all three at once, and with them all of theirs, as a power cut would."""
        for name in NAMES:
            for pid in self.installation.named(name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.history.kill("kill", name, pid)

    async def _stopped(self, program: str, pid: int, born: int | None) -> None:
        os.kill(pid, signal.SIGSTOP)
        self.history.kill("stop", program, pid)
        try:
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))
        finally:
            if start_ticks(pid) == born:
                os.kill(pid, signal.SIGCONT)

"""One extension driven by somebody who remembers every answer: PUT, PATCH, DELETE, rollback, cancel, retry, pause.

Writes of one extension follow each other, so that it is always known what was acknowledged last. A write without an
answer leaves a doubt, which is resolved by reading before the next one: what is read must be the last acknowledged
wish or one of those in doubt, else an acknowledged write was lost.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.api import Answer, Api, NoAnswer
from chaos.charts import VERSIONS
from chaos.history import History

_GOING = ("Deleting",)
_ENDED = ("Succeeded", "Failed", "Canceled")


@dataclass(frozen=True)
class Wish:
    """What an extension should be; ``mark`` is None for one that should not be."""

    mark: str | None
    version: str = ""
    secret: str = field(default="", repr=False)


@dataclass
class Driver:
    """The one who drives the extension ``name``; ``wish`` is what was acknowledged last."""

    api: Api
    name: str
    type: str
    chance: random.Random
    history: History
    canary: str
    wish: Wish = Wish(None)
    doubts: list[Wish] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    writes: int = 0
    present: Wish = Wish(None)
    """What it was last wished to be while it was to be there: a removal that is canceled leaves that."""
    held: bool = False
    """Whether the agent may have been told to take no act."""
    by_operation: dict[str, Wish] = field(default_factory=dict)
    _serial: int = 0

    @property
    def namespace(self) -> str:
        """Where the release lives."""
        return f"chaos-{self.name}"

    @property
    def path(self) -> str:
        """The extension's path."""
        return self.api.extension(self.name)

    async def run(self) -> None:
        """Drive until cancelled."""
        while True:
            answer = await self.step()
            if answer is not None and answer.operation is not None and self.chance.random() < 0.5:
                await self.ended(answer.operation)
            else:
                await asyncio.sleep(self.chance.choice((0.0, 0.3, 1.0, 2.0)))

    async def step(self) -> Answer | None:
        """Write something; return the answer, None when there was none."""
        if self.doubts:
            await self.resolve()
        if self.held and self.chance.random() < 0.5:
            return await self.let_go()
        if self.wish.mark is None and self.chance.random() < 0.9:
            return await self.put()
        writes = (self.put, self.put, self.patch, self.patch, self.delete)
        commands = (self.roll_back, self.cancel, self.retry, self.pause)
        return await self.chance.choice((*writes, *writes, *commands))()

    async def put(self, *, version: str = "", **settings: str) -> Answer | None:
        """Create or replace it."""
        wish = self._fresh(version or self.chance.choice(VERSIONS))
        return await self._write("PUT", wish, {"properties": self.properties(wish, settings)})

    async def patch(self, **settings: str) -> Answer | None:
        """Change its settings, keeping the version."""
        wish = self._fresh(self.wish.version)
        found = self.properties(wish, settings)
        named = ("configurationSettings", "configurationProtectedSettings")
        return await self._write("PATCH", wish, {"properties": {k: v for k, v in found.items() if k in named}})

    async def delete(self) -> Answer | None:
        """Remove it."""
        return await self._write("DELETE", Wish(None), None)

    async def cancel(self) -> Answer | None:
        """End what runs; what was to go stays."""
        answer = await self._write("POST", self.present, None, action="cancel")
        self.held = self.held or answer is None or answer.status < 300
        return answer

    async def retry(self) -> Answer | None:
        """Have the same tried anew."""
        return await self._write("POST", self.wish, None, action="retry")

    async def pause(self) -> Answer | None:
        """Have the agent take no act."""
        answer = await self._write("POST", self.wish, None, action="pause")
        self.held = self.held or answer is None or answer.status < 300
        return answer

    async def let_go(self) -> Answer | None:
        """Have the agent act again, whether it was paused or canceled."""
        answer = await self._write("POST", self.wish, None, action="resume")
        if answer is None:
            return None
        answer = await self._write("POST", self.wish, None, action="retry")
        if answer is not None and answer.status < 300:
            self.held = False
        return answer

    async def roll_back(self) -> Answer | None:
        """Go back to one of the configurations that are kept and that we know."""
        kept = await self.api.read(f"{self.path}/listRevisions", method="POST")
        known = [
            (each["revision"], self.by_operation[each["operation"]])
            for each in (kept.body or {}).get("value", ())
            if each["operation"] in self.by_operation
        ]
        if kept.status != 200 or not known:
            return None
        revision, wish = self.chance.choice(known)
        return await self._write("POST", wish, {"revision": revision}, action="rollback")

    def properties(self, wish: Wish, settings: Mapping[str, str]) -> dict[str, Any]:
        """What a PUT says of ``wish``."""
        return {
            "extensionType": self.type,
            "version": wish.version,
            "autoUpgradeMinorVersion": False,
            "scope": {"cluster": {"releaseNamespace": self.namespace}},
            "configurationSettings": {"mark": wish.mark, **settings},
            "configurationProtectedSettings": {"secret": wish.secret},
        }

    def _fresh(self, version: str) -> Wish:
        self._serial += 1
        return Wish(f"{self.name}-{self._serial}", version, f"{self.canary}-{self.name}-{self._serial}")

    async def _write(self, method: str, wish: Wish, body: Any, *, action: str = "") -> Answer | None:
        self.writes += 1
        self.doubts.append(wish)
        what = action or method
        try:
            answer = await self.api.send(method, f"{self.path}/{action}" if action else self.path, body)
        except NoAnswer as error:
            self.history.note("no answer", extension=self.name, method=what, mark=wish.mark, why=str(error))
            return None
        self.doubts.clear()
        identity = (answer.operation or "").partition("?")[0].rpartition("/")[2]
        self.history.note(
            "answer", extension=self.name, method=what, mark=wish.mark, status=answer.status, code=answer.code,
            operation=identity,
        )  # fmt: skip
        if answer.status < 300:
            self._acknowledged(wish, identity, writes=not action or action == "rollback")
        if answer.operation is not None:
            self.operations.append(answer.operation)
        return answer

    def _acknowledged(self, wish: Wish, operation: str, *, writes: bool) -> None:
        self.wish = wish
        if writes:
            self.held = False
        if wish.mark is None:
            return
        self.present = wish
        if operation:
            self.by_operation[operation] = wish

    async def resolve(self) -> None:
        """Ask what became of the writes in doubt."""
        seen = await self.seen()
        known = [wish for wish in (self.wish, *self.doubts) if _same(wish, seen)]
        if not known:
            self.history.violation(
                "no acknowledged write is lost",
                f"{self.name} is {seen!r}, acknowledged was {self.wish.mark!r}, in doubt {self.doubts!r}",
            )
        self.wish = known[-1] if known else self.wish
        self.present = self.wish if self.wish.mark is not None else self.present
        self.doubts.clear()

    async def seen(self) -> Wish:
        """What the front says that it should be."""
        answer = await self.api.read(self.path)
        if answer.status == 404:
            return Wish(None)
        properties = answer.body["properties"]
        if properties["provisioningState"] in _GOING:
            return Wish(None)
        return Wish(properties["configurationSettings"].get("mark"), properties.get("version") or "")

    async def ended(self, operation: str, *, within: float = 120) -> str:
        """Wait until an operation has ended, and return how."""
        async with asyncio.timeout(within):
            while True:
                answer = await self.api.read(operation)
                status = str((answer.body or {}).get("status", answer.status))
                if status in _ENDED or answer.status == 404:
                    return status
                await asyncio.sleep(0.1)

    async def free(self) -> None:
        """Leave nothing in doubt and nothing held."""
        while self.doubts or self.held:
            if self.doubts:
                await self.resolve()
            if self.wish.mark is None:
                self.held = False  # a removal lifts what held it
            if self.held:
                answer = await self.let_go()
                if answer is not None and answer.status >= 300:
                    assert answer.code == "ExtensionBeingDeleted", answer
                    self.held = False

    async def told_progress(self, *, within: float = 60) -> None:
        """Wait until the agent has told how far it is."""
        async with asyncio.timeout(within):
            while True:
                answer = await self.api.read(self.path)
                codes = [each["code"] for each in answer.body["properties"]["statuses"]]
                if "Progress" in codes:
                    return
                await asyncio.sleep(0.1)

    async def settled(self, *, within: float) -> str:
        """Wait until the extension has come to rest; return its state, ``Absent`` for none."""
        state = ""
        try:
            async with asyncio.timeout(within):
                while True:
                    answer = await self.api.read(self.path, within=within)
                    state = "Absent" if answer.status == 404 else str(answer.body["properties"]["provisioningState"])
                    if state == "Absent" or state in _ENDED:
                        return state
                    await asyncio.sleep(0.2)
        except TimeoutError:
            return f"{state} after {within:.0f} s"


def _same(wish: Wish, seen: Wish) -> bool:
    return wish.mark == seen.mark

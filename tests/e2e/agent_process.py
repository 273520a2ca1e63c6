"""An agent in a process of its own, for tests that kill it: wants are read from a file, words are written to one.

Started as ``python agent_process.py FOLDER KUBECONFIG HELM [ENGINE]``: ``FOLDER/wants.json`` holds an `ExtensionFeed`,
charts are in ``FOLDER/charts``, every report is a line of ``FOLDER/words.jsonl``.
"""

import asyncio
import sys
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from extensa.agent.charts import Charts
from extensa.agent.clusters import Clusters
from extensa.agent.control import LONGEST_POLL, LinkError
from extensa.agent.loop import Agent
from extensa.agent.memory import FileMemory
from extensa.agent.reconcile import Tools
from extensa.base.clock import utc_now
from extensa.helm.driver import CliDriver
from extensa.helm.engine import EngineDriver
from extensa.link.extension import ExtensionFeed, ExtensionReports
from extensa.link.question import QuestionFeed

T = TypeVar("T")


class FileLink:
    """The link as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def feed(
        self, path: str, type: type[T], *, after: int, wait: int = LONGEST_POLL, headers: dict[str, str] | None = None
    ) -> T:
        while True:
            if type is not QuestionFeed:
                heard = msgspec.json.decode((self._folder / "wants.json").read_bytes(), type=ExtensionFeed)
                if heard.cursor > after:
                    assert isinstance(heard, type)
                    return heard
            await asyncio.sleep(0.05)

    async def report(self, path: str, struct: Struct) -> None:
        assert isinstance(struct, ExtensionReports)
        with (self._folder / "words.jsonl").open("ab") as sink:
            for observed in struct.observed:
                sink.write(msgspec.json.encode(observed) + b"\n")

    async def chart(self, digest: str) -> bytes:
        try:
            return (self._folder / "charts" / digest).read_bytes()
        except FileNotFoundError as error:
            raise LinkError("NotFound", "no such chart", http=404, transient=False) from error


async def main(folder: Path, kubeconfig: Path, helm: Path, engine: Path | None = None) -> None:
    """Run until killed."""
    link = FileLink(folder)
    memory = FileMemory(folder / "agent")
    home = folder / "agent" / "helm"
    tools = Tools(
        driver=EngineDriver(engine, home) if engine is not None else CliDriver(helm, home),
        clusters=Clusters(lambda _: kubeconfig, folder / "agent" / "kube"),
        charts=Charts(link, memory),
        memory=memory,
        slots=asyncio.Semaphore(4),
        clock=utc_now,
    )
    await Agent(link, tools, private_key=await memory.private_key()).run()


if __name__ == "__main__":
    asyncio.run(main(*(Path(argument) for argument in sys.argv[1:5])))

"""`extensa up`: from nothing to an extension that an agent has seen healthy, or, the second time, just a look.

It reads as a list of steps. Each looks first, so that it may be interrupted and run again; each is timed, and tells
what it waits for. What goes wrong is told with the process it went wrong in.
"""

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from extensa.base.home import Home, write_file
from extensa.base.settings import load_settings
from extensa.cli import checks, daemons, links, trust
from extensa.cli.demo import Demo, Say
from extensa.cli.finding import FAIL
from extensa.cli.folders import credentials_are_whole
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.progress import step
from extensa.cli.screen import Facts, render
from extensa.cli.session import Session
from extensa.cli.shell import command

_T = TypeVar("_T")
_MARKER = b"This folder is Extensa's: database, keys, logs and clusters. `extensa reset` removes it.\n"


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples=[
        ("Start everything", "extensa up"),
        ("Beside another installation", "EXTENSA_HOME=~/second EXTENSA_LISTEN=127.0.0.1:9444 extensa up"),
    ],
)
@click.pass_obj
def up(session: Session, /) -> None:
    """Start server, host and agent, and install the sample extension on a demo cluster.

    Safe to run again: what is there already is left as it is.
    """
    session.as_owner = True
    steps = _Steps()
    checks.require(session.settings, session.home)
    with _alone(session.home):
        programs = steps.run("kubernetes", "Kubernetes programs", lambda say: _programs(session, say))
        steps.run("processes", "Server, host and agent", lambda say: _processes(session, say))
        demo = Demo(session, watch=lambda: daemons.require_all(session.home))
        with daemons.blaming(session.home):
            steps.run("types", "Sample types", lambda say: _publish(session, say))
            cluster, kubeconfig = steps.run("cluster", "Cluster demo", lambda say: _cluster(demo, say))
            extension = steps.run("extension", "Extension hello", demo.make_extension)
            objects = steps.run("objects", "Objects of hello", demo.objects)
        _prepare_shell(session, kubeconfig, programs)
    click.echo(
        render(
            Facts(
                endpoint=session.credential.endpoint,
                home=str(session.home.path),
                cluster=cluster,
                extensions=[extension],
                objects=objects,
                seconds=steps.seconds,
                command=_command(session),
            )
        )
    )


class _Steps:
    """Runs the steps one after the other and remembers how long each took."""

    def __init__(self) -> None:
        self.seconds: list[tuple[str, float]] = []

    def run(self, name: str, title: str, work: Callable[[Say], _T]) -> _T:
        """Return what ``work`` gives, shown under ``title`` meanwhile."""
        with step(title) as shown:
            result = work(shown.say)
        self.seconds.append((name, shown.seconds))
        return result


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Hold the data folder against another `extensa up`, which waits its turn; a missing folder is made."""
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not home.marker.is_file():
        write_file(home.marker, _MARKER, mode=0o644)
    home.up_lock.parent.mkdir(mode=0o700, exist_ok=True)
    with home.up_lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("Another `extensa up` is at work here; waiting for it"):
                while not _locked(lock.fileno()):
                    time.sleep(0.2)
        yield


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _programs(session: Session, say: Say) -> dict[str, Path]:
    """Return kubectl, helm and extensa by name, the Kubernetes programs built first when they are missing."""
    from extensa.cli.kubernetes import ready

    found = ready(session.settings, say)
    return {"kubectl": found.kubectl, "helm": found.helm, "extensa": links.program()}


def _processes(session: Session, say: Say) -> None:
    """Return when all three serve; a server that has lost what it is reached by is started anew, which mends that."""
    settings, home = session.settings, session.home
    server = daemons.running(home, "server")
    if server is not None and server.ready:
        seen = [*credentials_are_whole(settings, home), *trust.server_answers(settings, home)]
        lost = [each for each in seen if each.level == FAIL and each.code in trust.MENDED_BY_A_START]
        if lost:
            say(f"starting the server anew: {lost[0].message}")
            daemons.stop(home, "server")
    daemons.start_all(home, say)


def _publish(session: Session, say: Say) -> None:
    from extensa.cli.samples import publish_samples

    publish_samples(session, say)


def _cluster(demo: Demo, say: Say) -> tuple[Any, bytes]:
    """Return the cluster and its kubeconfig, which is given out once the cluster serves."""
    return demo.make_cluster(say), demo.kubeconfig(say)


def _prepare_shell(session: Session, kubeconfig: bytes, programs: dict[str, Path]) -> None:
    """Make what ``extensa env`` names: links, kubeconfig, az's configuration."""
    from extensa.cli.azure_config import prepare
    from extensa.cli.kubeconfig import merge_into

    links.make(session.home, programs)
    merge_into(session.home.kubeconfig, kubeconfig)
    prepare(session.home.azure_config, session.credential)


def _command(session: Session) -> str:
    """Return how `extensa` is typed here."""
    script = links.program()
    found = shutil.which("extensa")
    bare = load_settings({k: v for k, v in session.environ.items() if k != "EXTENSA_HOME"})
    return command(
        script,
        session.home,
        cwd=Path.cwd(),
        found_without=bare.home_path,
        on_path=found is not None and Path(found).resolve() == script.resolve(),
    )

"""Children: what they are given is whole before they are there, and none outlives the one who started it."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from extensa.base import processes


def open_files() -> list[str]:
    return sorted(each.name for each in Path("/proc/self/fd").iterdir())


async def test_what_a_child_reads_is_whole_before_it_is_started() -> None:
    """A pipe that its writer did not live to fill would be read as a short, or empty, whole."""
    large = os.urandom(3 * 1024 * 1024)

    assert large == (await processes.run(["cat"], stdin=large, timeout=30)).stdout
    assert (await processes.run(["readlink", "/proc/self/fd/0"], stdin=b"x", timeout=30)).stdout.startswith(b"/memfd:")
    assert b"" == (await processes.run(["cat"], timeout=30)).stdout


async def test_nothing_of_what_a_child_is_given_stays_open_with_us() -> None:
    before = open_files()
    await processes.run(["true"], stdin=b"x", timeout=30)

    assert before == open_files()


def test_a_child_whose_parent_died_before_it_could_be_bound_to_it_does_not_begin() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    orphan = partial(processes._die_with, gone.pid)
    done = subprocess.run(["echo", "began"], preexec_fn=orphan, capture_output=True, check=False)

    assert (137, b"") == (done.returncode, done.stdout)


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys\n"
        "from extensa.base.processes import run\n"
        "async def main():\n"
        "    asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGKILL)\n"
        "    await run(['sh', '-c', 'echo $$ > \"$0\"; exec sleep 60', sys.argv[1]], timeout=60)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "pid")], check=False)
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while processes.alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert -signal.SIGKILL == done.returncode

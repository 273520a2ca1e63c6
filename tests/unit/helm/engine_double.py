"""A program in the engine's place, speaking our protocol: what it does with an act is named by the act's release.

It keeps what it did in its own folder: ``lives`` (its pids), ``heard`` (every line), ``farewell`` (that it ended in
order). It sits `EngineProtocol` like the engine itself.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[0]).parent
ACTS = ("install", "upgrade", "rollback", "uninstall", "render", "history")
SECRET = "hunter2-long"


def say(number: int, **more: Any) -> None:
    """Answer an act."""
    sys.stdout.write(json.dumps({"id": number, **more}) + "\n")
    sys.stdout.flush()


def write(name: str, text: str) -> None:
    """Append to one of our notes."""
    with (FOLDER / name).open("a") as sink:
        sink.write(text)


def farewell(*_: object) -> None:
    """End in order."""
    write("farewell", "")
    sys.exit(0)


def misbehave(release: str) -> None:
    """Do what no engine should."""
    if release == "dies":
        sys.exit(3)
    elif release == "stops":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif release == "babbles":
        print(f"panic: {SECRET}", flush=True)
    elif release == "breaks-off":
        print('{"id": 1, "resu', end="", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    elif release == "mistakes":
        say(4711, error="of nobody's")


def act(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to an act."""
    name, release = asked.get("act"), asked.get("release")
    if not Path(asked.get("kubeconfig", "")).exists():
        return {"error": "kubernetes cluster unreachable: open: no such file or directory"}
    if name not in ACTS:
        return {"error": f'there is no act "{name}"'}
    if release == "fails":
        return {"error": f"execution error at (c/templates/a.yaml:1:3): bad {SECRET}"}
    if release == "mutters":
        sys.stderr.write("words\n" * 400_000)
    if name == "render":
        return {"result": "kind: ConfigMap"}
    if name == "history" and release != "absent":
        one = {"updated": "2026-01-01T00:00:00Z", "chart": "c-1", "description": "d"}
        return {
            "result": [{**one, "revision": 2, "status": "deployed"}, {**one, "revision": 1, "status": "superseded"}]
        }
    return {"result": []} if name == "history" else {}


def main() -> None:
    """Answer until there is nothing more to hear."""
    signal.signal(signal.SIGTERM, farewell)
    write("lives", f"{os.getpid()}\n")
    held: dict[int, str] = {}
    for line in sys.stdin:
        try:
            asked = json.loads(line)
        except ValueError:
            sys.exit("what was asked is no request")
        write("heard", line)
        number, release = asked.get("id", 0), asked.get("release", "")
        misbehave(release)
        if asked.get("act") == "cancel":
            if held.pop(asked["target"], "") == "obeys":
                say(asked["target"], error="failed pre-install: context canceled")
        elif release in ("obeys", "deaf", "second", "stops"):
            held[number] = release
        else:
            say(number, **act(asked))
            for second in [each for each, what in held.items() if release == "first" and what == "second"]:
                say(second)
    farewell()


if __name__ == "__main__":
    main()

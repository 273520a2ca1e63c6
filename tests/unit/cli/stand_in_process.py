"""Stands in for server, host or agent: does what its name and the file ``how`` in the data folder say.

Run as a program, never imported.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

home = Path(os.environ["EXTENSA_HOME"])
name = sys.argv[1]
how = (home / "how").read_text(encoding="ascii") if (home / "how").exists() else "serve"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


say(f"{name} begins")
if how == f"die {name}":
    say("something is amiss")
    sys.exit(3)
if how == f"crash {name}":
    raise RuntimeError("a fault of its own")
if how == f"refuse {name}":
    words = {"code": "StoreDamaged", "message": "It is damaged.", "target": "/db", "next_step": "Put it back."}
    say("extensa: It is damaged.")
    say(json.dumps({"event": "cannot run", **words}))
    sys.exit(1)
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if how != "never ready":
    ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / f"{name}.json").write_text(json.dumps({"pid": os.getpid(), "ticks": ticks}), encoding="ascii")
time.sleep(60)

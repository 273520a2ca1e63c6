"""`make bench`: every figure we name, measured beside its peer in one run, as a table.

Name rows to run only those: ``python -m bench requests releases engine resting settled start``.
"""

import sys
import tempfile
from pathlib import Path

from bench import releases, releases_at_scale, requests, resting, settled
from bench.installation import CHARTS, installed, server_alone
from bench.table import Row, printed
from extensa.client.chart import pack

SAMPLE = CHARTS / "hello" / "1.0.0"
PARTS = ("releases", "engine", "requests", "start", "resting", "settled")
FLEET = [f"fleet-{n}" for n in range(4)]
RESTING = FLEET + [f"rest-{n}" for n in range(6)]


def say(sentence: str) -> None:
    """Tell what is being measured now."""
    print(sentence, file=sys.stderr, flush=True)


def measured(parts: list[str], archive: Path) -> list[Row]:
    """Run the parts asked for, the cheap and quiet ones first, and return their rows."""
    rows = releases_at_scale.measure(say) if "engine" in parts else []
    if parts == ["engine"]:
        return rows
    with installed() as bench:
        say("creating the clusters to measure on")
        bench.make_clusters(FLEET[:1] if parts == ["settled"] else FLEET)
        if "resting" in parts:
            say("the command line")
            rows += resting.command_line(bench, FLEET[0])
        if "releases" in parts:
            say("PUT → Succeeded, one at a time")
            rows.append(releases.one(bench, archive, FLEET[0]))
        if {"requests", "start"} & set(parts):
            with server_alone(archive) as alone:
                if "requests" in parts:
                    say("requests per CPU second")
                    rows += requests.measure(bench, alone, FLEET[1])
                if "start" in parts:
                    say("start with many extensions stored")
                    rows.append(resting.start(alone))
        if "releases" in parts:
            say(f"{releases.MANY} extensions over {len(FLEET)} clusters")
            rows.append(releases.many(bench, archive, FLEET))
        if "resting" in parts:
            say("memory at rest with ten clusters")
            bench.make_clusters(RESTING[len(FLEET) :])
            rows += resting.memory(bench, RESTING, extensions=10)
        if "settled" in parts:
            say(f"{settled.MANY} extensions at rest, and changes by hand")
            rows += settled.measure(bench, FLEET[0])
    return rows


def main() -> int:
    """Print the table; 0 when every aim is met, 1 otherwise."""
    parts = sys.argv[1:] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        say(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "hello-1.0.0.tgz"
        archive.write_bytes(pack(SAMPLE).archive)
        rows = measured(parts, archive)
    print(printed(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""``make chaos``: kill for as long as asked, print what was survived.

Arguments: how many kills at the most, for how many minutes at the most, a seed to repeat a run, a folder to keep it in.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from chaos.run import rounds, world


def main() -> int:
    """Run chaos; 0 when no invariant was broken."""
    words = argparse.ArgumentParser(prog="make chaos", description="Kill Extensa's processes and see that it holds.")
    words.add_argument("--runs", type=int, default=1000, help="kills at the most")
    words.add_argument("--minutes", type=float, default=60.0, help="minutes at the most")
    words.add_argument("--seed", type=int, help="repeat the choices of an earlier run")
    words.add_argument("--folder", type=Path, help="where history, logs and data are kept")
    asked = words.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="extensa-chaos-"))
    history = asyncio.run(_run(folder, asked.runs, asked.minutes, asked.seed))
    print(history)
    return 0 if history.endswith(" 0 violations") else 1


async def _run(folder: Path, kills: int, minutes: float, seed: int | None) -> str:
    async with world(folder, seed=seed) as made:
        print(f"seed {made.history.seed}; history and logs are kept in {folder}", file=sys.stderr, flush=True)
        await rounds(made, kills=kills, least=kills // 10, minutes=minutes)
    if made.history.violations:
        print(made.history.told())
    return made.history.summary


if __name__ == "__main__":
    sys.exit(main())

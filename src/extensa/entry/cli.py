"""The `extensa` command: hands the command line, the environment and the three processes to the CLI.

The console script of the wheel points here, so that ``entry`` stays the only place that chooses what is real. Neither
server, host nor agent is loaded before it is asked for.
"""

import os
import sys

from extensa.cli.main import Closing, run


def main() -> int:
    """Run the command line of this process and return its exit code."""
    return run(sys.argv[1:], _session)


def _session() -> Closing:
    from extensa.cli.session import Session  # noqa: PLC0415 - help and completion start without it

    return Session(os.environ, processes={"server": _server, "host": _host, "agent": _agent})


def _server() -> int:
    from extensa.entry.server import main as start  # noqa: PLC0415 - loaded when asked for

    return start() or 0


def _host() -> int:
    from extensa.entry.host import main as start  # noqa: PLC0415 - loaded when asked for

    return start() or 0


def _agent() -> int:
    from extensa.entry.agent import main as start  # noqa: PLC0415 - loaded when asked for

    return start() or 0


if __name__ == "__main__":
    sys.exit(main())

"""Publishing a chart as a version of an extension type: two writes, the second a stream.

The archive is checked and packed by ``client/chart.py``; whether the service takes it is for the service to say.
"""

from pathlib import Path
from typing import Any

from extensa.base.errors import Refused
from extensa.cli.session import Session


def publish_chart(session: Session, chart: Path, **given: Any) -> Any:
    """Publish ``chart`` (a folder or an archive) and return the version as the service shows it."""
    del session, given
    raise Refused("NotYet", f"{chart} cannot be published yet.")

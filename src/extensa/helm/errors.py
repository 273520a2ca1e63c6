"""The two doors on the cluster's side.

    ExtensaError
    ├── HelmError       the ``helm`` program did not do what it was asked         (driver.py, values.py, chart.py)
    └── ClusterError    the cluster's API did not answer, or answered with a no   (agent/kube.py)

Both carry a code of the table in ``causes.py``, whether trying again may help, and the foreign words as ``raw``, which
is where a secret could hide: who raises one has masked it.
"""

from collections.abc import Mapping

from extensa.base.errors import ExtensaError

_RAW_LIMIT = 4096


class ForeignError(ExtensaError):
    """What both doors have in common: a typed cause, the object at fault, and the words as they came."""

    def __init__(
        self, code: str, message: str, *, target: str = "", next_step: str = "", raw: str = "", transient: bool = False
    ) -> None:
        super().__init__(code, message, target=target or None, next_step=next_step or None)
        self.raw = raw
        self.transient = transient


class HelmError(ForeignError):
    """Helm refused, failed, or did not end in time."""


class ClusterError(ForeignError):
    """The Kubernetes API could not be reached or refused; ``http`` is its status, 0 when there was no answer.

    ``owners`` are the fields of a conflict, as the API writes them, and who manages each.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        http: int = 0,
        target: str = "",
        raw: str = "",
        transient: bool = False,
        owners: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, target=target, raw=raw, transient=transient)
        self.http = http
        self.owners: Mapping[str, str] = owners or {}


def shortened(raw: str) -> str:
    """Return the end of ``raw``, where programs say why they stopped, within 4 KiB."""
    text = raw.strip()
    return text if len(text) <= _RAW_LIMIT else "… " + text[-_RAW_LIMIT:]

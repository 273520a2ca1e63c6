"""The two doors on the cluster's side, and the masking of what must not leave them.

    ExtensaError
    ├── HelmError       the ``helm`` program did not do what it was asked         (driver.py, values.py, chart.py)
    └── ClusterError    the cluster's API did not answer, or answered with a no   (agent/kube.py)

Both carry a code of the table in ``causes.py``, whether trying again may help, and the foreign words as ``raw``.
Masking stands here because foreign words are where a secret could hide; it refuses to let a protected value through.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping

from extensa.base.errors import ExtensaError

Masker = Callable[[str], str]
"""Returns its text with every protected value replaced."""

_MASK = "********"
_LONG = 6
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


def masker(secrets: Iterable[str]) -> Masker:
    """Return a function that hides every one of ``secrets`` in a text, as it is, quoted or in base64.

    Values shorter than six characters are hidden only where they stand as a word of their own: replacing every ``1``
    would make the text unreadable and tell the value all the same.
    """
    long: set[str] = set()
    short: set[str] = set()
    for secret in secrets:
        for piece in {secret, *secret.splitlines()}:
            if len(piece) >= _LONG:
                long |= _disguises(piece)
            elif piece.strip():
                short.add(piece)
    parts = [re.escape(text) for text in sorted(long, key=len, reverse=True)]
    parts += [rf"(?<!\w){re.escape(text)}(?!\w)" for text in sorted(short, key=len, reverse=True)]
    if not parts:
        return _unchanged
    pattern = re.compile("|".join(parts))
    return lambda text: pattern.sub(_MASK, text)


def shortened(raw: str) -> str:
    """Return the end of ``raw``, where programs say why they stopped, within 4 KiB."""
    text = raw.strip()
    return text if len(text) <= _RAW_LIMIT else "… " + text[-_RAW_LIMIT:]


def _unchanged(text: str) -> str:
    return text


def _disguises(secret: str) -> set[str]:
    quoted = json.dumps(secret)[1:-1]
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quoted, json.dumps(quoted)[1:-1], encoded, encoded.rstrip("=")}

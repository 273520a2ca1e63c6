"""Secrets as they are kept: HMAC-SHA-256 under a key outside the database, compared in constant time.

What is hashed here always has 256 random bits, so a slow password hash would buy nothing and cost every sign-in; the
key makes a stolen database useless for checking guesses. The key is made on first use and never leaves its file.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path

from extensa.base.errors import ExtensaError
from extensa.base.home import write_file

_LENGTH = 32


class SecretDigests:
    """Turns secrets into digests and compares them; knows nothing of whose they are."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, secret: str) -> str:
        """Return the digest to keep for ``secret``."""
        return hmac.new(self._key, secret.encode(), hashlib.sha256).hexdigest()

    def match(self, secret: str, kept: Iterable[str]) -> bool:
        """Return whether ``secret`` has one of the digests ``kept``; every one is compared, in constant time."""
        found = False
        digest = self.of(secret)
        for each in kept:
            found |= hmac.compare_digest(digest, each)
        return found


def load_secret_digests(file: Path) -> SecretDigests:
    """Return digests under the key in ``file``, which is made (0600) when it is not there.

    Raises `ExtensaError` (``SecretDigestKeyDamaged``) for a file that was cut or emptied, which would match nobody's
    secret and protect nobody's digest, and `OSError` as the system gives it.
    """
    if not file.exists():
        write_file(file, secrets.token_bytes(_LENGTH))
    key = file.read_bytes()
    if len(key) != _LENGTH:
        raise ExtensaError(
            "SecretDigestKeyDamaged",
            f"The key file {file} has {len(key)} bytes and not {_LENGTH}.",
            target=str(file),
            next_step="Put it back from the copy made together with the database; a new key matches no secret kept.",
        )
    return SecretDigests(key)

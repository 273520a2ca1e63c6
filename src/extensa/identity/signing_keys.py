"""The keys that tokens are signed with: several at once, so that they can be rotated without a sign-out.

The first key signs, all of them verify and are published. They lie in one 0600 file outside the database, as a JSON Web
Key Set with private members.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joserfc.jwk import KeySet, RSAKey

from extensa.base.home import write_file

KEPT = 2
"""Keys kept through a rotation: tokens of the one before live out their hour."""


class SigningKeys:
    """An ordered set of RSA keys; the first signs."""

    def __init__(self, keys: Sequence[RSAKey]) -> None:
        self.first = keys[0]
        self.all = KeySet(list(keys))
        self._keys = tuple(keys)

    def public(self) -> dict[str, Any]:
        """Return the JSON Web Key Set that callers verify tokens with."""
        return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": "RS256"} for key in self._keys]}

    def rotated(self) -> "SigningKeys":
        """Return a set with a fresh key in front and the oldest gone beyond `KEPT`."""
        return SigningKeys([_new_key(), *self._keys][:KEPT])

    def save(self, file: Path) -> None:
        """Write the private keys to ``file`` (0600), whole or not at all; raises `OSError` as the system gives it."""
        write_file(file, json.dumps({"keys": [key.as_dict(private=True) for key in self._keys]}).encode())


def load_signing_keys(file: Path) -> SigningKeys:
    """Return the keys in ``file``; one is made there when the file is missing. Raises `OSError` and `ValueError`."""
    if file.exists():
        return SigningKeys([RSAKey.import_key(each) for each in json.loads(file.read_bytes())["keys"]])
    keys = SigningKeys([_new_key()])
    keys.save(file)
    return keys


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)

"""Secrets at rest: AES-256-GCM envelopes, each bound to what it belongs to, under a key kept outside the database.

Every envelope has a data key of its own, wrapped by the key-encryption key (KEK) whose id stands in the envelope, so a
KEK can be replaced while older envelopes still open. It lies beside the store because only documents of the store carry
envelopes; it reads one file when loaded and keeps nothing else. An envelope opened for another owner is refused.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from extensa.base.errors import ExtensaError
from extensa.base.home import write_file

_FORM = "v1"
_FILE = "vault.json"
_NONCE = 12
_WRAPPED = 32 + 16
"""Bytes of a wrapped data key: the key and its tag."""
_ONCE = bytes(_NONCE)
"""A data key encrypts one text only, so its nonce need not vary."""


class _Keys(msgspec.Struct, kw_only=True):
    """What the key file holds. Written by: this module, on first use and on rotation."""

    active: str
    keys: dict[str, str]


class Vault:
    """Seals and opens; holds the KEKs in memory and shows them to nobody."""

    __slots__ = ("_active", "_keys")

    def __init__(self, active: str, keys: Mapping[str, bytes]) -> None:
        self._active = active
        self._keys = {name: AESGCM(key) for name, key in keys.items()}

    def __repr__(self) -> str:
        return f"Vault(active={self._active!r})"

    @property
    def active(self) -> str:
        """The id of the KEK that new envelopes are made with."""
        return self._active

    def seal(self, plaintext: bytes, *, bound_to: str) -> str:
        """Return an envelope, plain ASCII, that opens only for the same ``bound_to`` (a resource's key)."""
        data_key = secrets.token_bytes(32)
        nonce = secrets.token_bytes(_NONCE)
        owner = _owner(self._active, bound_to)
        wrapped = self._keys[self._active].encrypt(nonce, data_key, owner)
        box = AESGCM(data_key).encrypt(_ONCE, plaintext, owner)
        return f"{_FORM}.{self._active}.{base64.urlsafe_b64encode(nonce + wrapped + box).decode()}"

    def open(self, envelope: str, *, bound_to: str) -> bytes:
        """Return what is in ``envelope``.

        Raises `ExtensaError` (``SealBroken``) when it was sealed for another owner, was altered, is no envelope, or
        when its KEK is not here.
        """
        form, _, rest = envelope.partition(".")
        name, _, text = rest.partition(".")
        if form != _FORM or not text:
            raise _broken("it is not an envelope of this vault", bound_to)
        if name not in self._keys:
            raise _broken(f"its key-encryption key '{name}' is not in the key file", bound_to)
        owner = _owner(name, bound_to)
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
            nonce, wrapped, box = raw[:_NONCE], raw[_NONCE : _NONCE + _WRAPPED], raw[_NONCE + _WRAPPED :]
            return AESGCM(self._keys[name].decrypt(nonce, wrapped, owner)).decrypt(_ONCE, box, owner)
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise _broken("it was altered, or sealed for another owner", bound_to) from error


def load_vault(folder: Path) -> Vault:
    """Return the vault whose key file lies in ``folder``; on first use the file is made (0600) with a fresh KEK.

    Raises `ExtensaError`: ``VaultKeyExposed`` when others may read the file, ``VaultKeyDamaged`` when it cannot be
    understood.
    """
    path = folder / _FILE
    if not path.exists():
        _create(path)
    return _vault(_read(path))


def rotate_vault(folder: Path) -> Vault:
    """Add a fresh KEK and make it the active one; older ones stay and open what they sealed. Raises as `load_vault`."""
    load_vault(folder)
    path = folder / _FILE
    kept = _read(path)
    fresh = _fresh()
    write_file(path, msgspec.json.encode(_Keys(active=fresh.active, keys=kept.keys | fresh.keys)))
    return _vault(_read(path))


def _owner(name: str, bound_to: str) -> bytes:
    return f"extensa-vault-{_FORM}\0{name}\0{bound_to}".encode()


def _broken(why: str, bound_to: str) -> ExtensaError:
    return ExtensaError(
        "SealBroken",
        f"A sealed value of '{bound_to}' could not be opened: {why}.",
        target=bound_to,
        next_step="If the database or the keys folder was put back from a copy, put back both from the same copy; "
        "otherwise write the protected settings again.",
    )


def _fresh() -> _Keys:
    name = secrets.token_hex(4)
    return _Keys(active=name, keys={name: base64.b64encode(secrets.token_bytes(32)).decode()})


def _create(path: Path) -> None:
    """Make the key file, unless another process is faster: a key that has sealed something is never replaced."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_file(draft, msgspec.json.encode(_fresh()))
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _read(path: Path) -> _Keys:
    if path.stat().st_mode & 0o077:
        raise ExtensaError(
            "VaultKeyExposed",
            f"The key file {path} may be read by other users.",
            target=str(path),
            next_step=f"chmod 600 {path}; if others may have read it, rotate the key and write secrets again.",
        )
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Keys)
        if found.active in found.keys and all(len(base64.b64decode(key)) == 32 for key in found.keys.values()):
            return found
    except (msgspec.MsgspecError, binascii.Error):  # fall through: its words would show what the file holds
        pass
    raise ExtensaError(
        "VaultKeyDamaged",
        f"The key file {path} cannot be understood.",
        target=str(path),
        next_step="Put it back from the copy made together with the database; a new key opens nothing that is kept.",
    )


def _vault(keys: _Keys) -> Vault:
    return Vault(keys.active, {name: base64.b64decode(key) for name, key in keys.keys.items()})

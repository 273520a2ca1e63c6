"""A box that only one key opens: X25519, HKDF-SHA256 and AES-256-GCM, with what it is for as associated data.

Protected settings travel sealed to the agent's key and kubeconfigs sealed to the server's, so that a log, a proxy or a
memory dump of the carrier shows nothing. Pure computation; keys are made and kept by others.
"""

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from extensa.base.errors import ExtensaError

_NONCE = bytes(12)  # each box has a key of its own, used once


class Sealed(Struct, frozen=True, kw_only=True):
    """A sealed box: the recipient's public key, the sender's one-time public key, and the ciphertext, all base64."""

    recipient: str
    ephemeral: str
    ciphertext: str


def new_private_key() -> str:
    """Return a fresh private key as base64 text."""
    return base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()).decode()


def public_key(private: str) -> str:
    """Return the public half of ``private``, as base64 text."""
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def seal(plaintext: bytes, *, recipient: str, purpose: str) -> Sealed:
    """Return ``plaintext`` in a box for the holder of ``recipient``'s private half; ``purpose`` is bound to it."""
    ephemeral = X25519PrivateKey.generate()
    own = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(base64.b64decode(recipient)))
    box = AESGCM(_derive(shared, own, recipient)).encrypt(_NONCE, plaintext, purpose.encode())
    return Sealed(
        recipient=recipient, ephemeral=base64.b64encode(own).decode(), ciphertext=base64.b64encode(box).decode()
    )


def unseal(box: Sealed, *, private: str, purpose: str) -> bytes:
    """Return what is in ``box``; raises `ExtensaError` (``SealBroken``) for another key, purpose or altered text."""
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    try:
        own = base64.b64decode(box.ephemeral)
        shared = key.exchange(X25519PublicKey.from_public_bytes(own))
        return AESGCM(_derive(shared, own, box.recipient)).decrypt(
            _NONCE, base64.b64decode(box.ciphertext), purpose.encode()
        )
    except (InvalidTag, ValueError) as error:  # ValueError: no base64, no key
        raise ExtensaError("SealBroken", "A sealed value could not be opened with this key.") from error


def _derive(shared: bytes, ephemeral: bytes, recipient: str) -> bytes:
    info = b"extensa-link-v1" + ephemeral + base64.b64decode(recipient)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(shared)

"""Chance, handed in: fresh identifiers and secrets.

One file, so that a test can see every place where the product draws from chance.
"""

import secrets
import uuid


def new_id() -> str:
    """Return a fresh random UUID in lower case, as ARM uses for operations, uids and correlation ids."""
    return str(uuid.uuid4())


def named_id(namespace: str, name: str) -> str:
    """Return the UUID that always belongs to ``name`` within ``namespace`` (RFC 9562, version 5)."""
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, "extensa:" + namespace), name))


def new_secret() -> str:
    """Return 256 fresh random bits as URL-safe text of 43 characters."""
    return secrets.token_urlsafe(32)

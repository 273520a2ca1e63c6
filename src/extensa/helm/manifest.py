"""Rendered manifests for people to read: every Secret's content hidden, and every protected value wherever it stands.

Pure. Text that mentions a Secret and cannot be read as YAML is left out with a word, for nobody can say what it holds.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from extensa.base.masking import MASK, Masker

HIDDEN = MASK
_SEPARATOR = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)
_COMMENTS = re.compile(r"\A(?:\s*#[^\n]*\n)+")
_SECRET_PARTS = ("data", "stringData")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def hidden(manifests: str, mask: Masker) -> str:
    """Return rendered ``manifests`` with nothing in them that is known to be secret."""
    documents = (text.strip("\n") for text in _SEPARATOR.split(manifests))
    return "\n---\n".join(mask(_document(text)) for text in documents if text.strip())


def _document(text: str) -> str:
    if "Secret" not in text:
        return text
    comments = _COMMENTS.match(text)
    head = comments.group().strip() + "\n" if comments else ""
    try:
        found = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return f"{head}# left out: it names a Secret and cannot be read as YAML"
    if not _holds_secret(found):
        return text
    return head + yaml.safe_dump(_hide(found), sort_keys=False, allow_unicode=True).rstrip("\n")


def _holds_secret(found: Any) -> bool:
    if isinstance(found, list):
        return any(_holds_secret(item) for item in found)
    if not isinstance(found, Mapping):
        return False
    return _is_secret(found) or any(_holds_secret(value) for value in found.values())


def _is_secret(found: Mapping[Any, Any]) -> bool:
    return found.get("kind") == "Secret" and any(part in found for part in _SECRET_PARTS)


def _hide(found: Any) -> Any:
    if isinstance(found, list):
        return [_hide(item) for item in found]
    if not isinstance(found, Mapping):
        return found
    shown = {key: _hide(value) for key, value in found.items() if key != _LAST_APPLIED}
    if _is_secret(found):
        for part in _SECRET_PARTS:
            if part in shown:
                held = shown[part]
                shown[part] = dict.fromkeys(held, HIDDEN) if isinstance(held, Mapping) else HIDDEN
    return shown

"""Kubeconfig for people: one more cluster merged into a file that may hold others.

Only names that the new cluster brings are replaced; everything else in the file stays as it is.
"""

from pathlib import Path
from typing import Any

import yaml

from extensa.base.errors import Refused
from extensa.base.home import write_file

_LISTS = ("clusters", "users", "contexts")


def merge_into(target: Path, content: bytes) -> str:
    """Merge a kubeconfig into the file ``target`` (0600) and return the context that is now current.

    Raises `Refused` when the file is there and holds something else.
    """
    try:
        present = yaml.safe_load(target.read_bytes())
    except FileNotFoundError:
        present = None
    except yaml.YAMLError as error:
        raise _foreign(target) from error
    if present is not None and not isinstance(present, dict):
        raise _foreign(target)
    merged = merged_config(present or {}, yaml.safe_load(content))
    text = yaml.safe_dump(merged, sort_keys=False).encode()
    if not target.is_file() or target.read_bytes() != text:
        write_file(target, text)
    return str(merged["current-context"])


def merged_config(present: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    """Return ``present`` with the clusters, users and contexts of ``added`` in it, and its current context."""
    merged = {"apiVersion": "v1", "kind": "Config", **present}
    for key in _LISTS:
        names = {entry["name"] for entry in added.get(key) or ()}
        kept = [entry for entry in present.get(key) or () if entry.get("name") not in names]
        merged[key] = kept + list(added.get(key) or ())
    merged["current-context"] = added.get("current-context") or present.get("current-context", "")
    return merged


def _foreign(target: Path) -> Refused:
    return Refused(
        "KubeconfigUnreadable",
        f"{target} is not a kubeconfig.",
        target=str(target),
        next_step="Name another file with --file, or move that one away.",
    )

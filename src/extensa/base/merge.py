"""JSON Merge Patch (RFC 7396), the semantics ARM gives to PATCH.

Pure and small; special cases of one property belong to the room that knows the property.
"""

from typing import Any


def merge_patch(target: Any, patch: Any) -> Any:
    """Return ``target`` with ``patch`` laid over it; neither argument is changed.

    Objects merge key by key, ``None`` removes a key, anything else replaces.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged

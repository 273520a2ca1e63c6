"""Settings maps: reading, merging and bounding ``configurationSettings`` and ``configurationProtectedSettings``.

The two maps follow different laws (contract §2.3, §0.12): ordinary settings merge key by key on PATCH and are replaced
by PUT; protected ones are never lost by silence, and a blank, which is how they are read back, means "as stored".
What a key does in a chart is not judged here.
"""

from collections.abc import Mapping
from typing import Any

from extensa.base.errors import Problems

MOST_KEYS = 2000
"""Keys in one map at the most."""
LONGEST_KEY = 1024
"""Characters of a key at the most."""
LARGEST_TOTAL = 512 * 1024
"""Bytes of both maps together: Helm's own record of a release must stay below the 1 MiB of a Kubernetes Secret."""

Given = Mapping[str, str | None] | None
"""A map as a body names it: keys to text or null; None when the body says nothing or null of the whole."""


def read(value: Any, target: str, problems: Problems) -> Given:
    """Return the map in ``value`` with numbers and booleans as text; what is no map of strings goes to ``problems``."""
    if value is None:
        return None
    if not isinstance(value, dict):
        problems.add("InvalidSetting", f"'{target}' must be a map of strings.", target=target)
        return None
    settings: dict[str, str | None] = {}
    for key, item in value.items():
        if item is None or isinstance(item, str):
            settings[key] = item
        elif isinstance(item, bool):
            settings[key] = "true" if item else "false"
        elif isinstance(item, int | float):
            settings[key] = str(item)
        else:
            problems.add(
                "InvalidSetting",
                f"The setting '{key}' must be a string, not {'a list' if isinstance(item, list) else 'an object'}.",
                target=f"{target}.{key}",
                next_step="Write nested values as dotted keys ('a.b') and list elements by index ('a[0]').",
            )
    return settings


def replaced(given: Given) -> dict[str, str]:
    """Return the ordinary settings that a PUT leaves: exactly those it names, or none."""
    return {key: value for key, value in (given or {}).items() if value is not None}


def merged(stored: Mapping[str, str], given: Given) -> dict[str, str]:
    """Return the ordinary settings that a PATCH leaves: named keys set, null ones removed, all others as they were."""
    result = dict(stored)
    for key, value in (given or {}).items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def protected(stored: Mapping[str, str], given: Given) -> dict[str, str]:
    """Return the protected settings that a write leaves.

    Nothing named: all as stored. Otherwise the named keys replace all, a blank value keeping the stored one of its key.
    A map of nothing but nulls removes those keys and leaves the rest.
    """
    if not given:
        return dict(stored)
    if all(value is None for value in given.values()):
        return {key: value for key, value in stored.items() if key not in given}
    return {key: value or stored.get(key, "") for key, value in given.items() if value is not None}


def check(settings: Mapping[str, str], secret: Mapping[str, str], problems: Problems) -> None:
    """Put into ``problems`` what is wrong with the names or the size of two maps; values are never quoted."""
    total = 0
    for target, chosen in (("configurationSettings", settings), ("configurationProtectedSettings", secret)):
        if len(chosen) > MOST_KEYS:
            problems.add(
                "SettingsTooLarge",
                f"'{target}' has {len(chosen)} keys; at most {MOST_KEYS} are allowed.",
                target=f"properties.{target}",
            )
        for key, value in chosen.items():
            total += len(key.encode()) + len(value.encode())
            if not key.strip() or len(key) > LONGEST_KEY or not key.isprintable():
                problems.add(
                    "InvalidSetting",
                    f"'{key[:64]}' is not a usable key: it must be 1 to {LONGEST_KEY} printable characters.",
                    target=f"properties.{target}",
                )
    if total > LARGEST_TOTAL:
        problems.add(
            "SettingsTooLarge",
            f"The settings take {total} bytes together; at most {LARGEST_TOTAL} are allowed.",
            target="properties.configurationSettings",
            next_step="Keep large content in a ConfigMap or Secret of your own and name it in a setting.",
        )

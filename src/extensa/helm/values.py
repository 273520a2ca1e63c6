r"""From an extension's dotted settings to nested Helm values, typed as ``helm --set`` would type them. Pure.

    a.b=x            {"a": {"b": "x"}}          a\.b=x      {"a.b": "x"}
    a[0].b=1         {"a": [{"b": 1}]}          a=null      {"a": None}: takes a default of the chart away

Protected settings lie over ordinary ones, these over the injected map. Values travel as JSON on Helm's standard input,
where every number becomes a float, so that templates print 1234567 as 1.234567e+06. Large whole numbers therefore go
again as ``--set`` (the same value, exact), protected ones as text, for they must never stand in an argument list.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec

from extensa.base.errors import Problem, Problems
from extensa.base.masking import Masker, masker
from extensa.helm.errors import HelmError

_DEEPEST = 30
_LONGEST_LIST = 65536
_EXACT_AS_FLOAT = 1_000_000
_WHOLE = re.compile(r"[+-]?[1-9][0-9]*\Z")
_INDEX = re.compile(r"\[([0-9]+)\]")
_SPECIAL = re.compile(r"([.,=\[\]{}\\])")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """What Helm gets: a JSON document for its standard input and arguments for ``--set``; `mask` hides the secrets.

    Equal settings make equal documents, byte by byte.
    """

    document: bytes
    exact: tuple[str, ...]
    mask: Masker


def nest(settings: Mapping[str, str], protected: Mapping[str, str], injected: Mapping[str, Any]) -> Values:
    """Return the values for Helm.

    Raises `HelmError` (``SettingInvalid``) that names every key which cannot be placed; never a value.
    """
    problems = Problems()
    values: dict[str, Any] = deepcopy(dict(injected))
    exact: dict[Path, int] = {}
    for layer, secret in ((settings, False), (protected, True)):
        placed: dict[Path, str] = {}
        for key in sorted(layer):
            path = _path(key, problems)
            if path is None or not _free(path, key, placed, problems):
                continue
            value = _typed(layer[key], secret=secret)
            _forget(exact, path)
            if _is_large(value):
                exact[path] = value
            values = _put(values, path, value)
    if problems.found:
        raise HelmError(
            "SettingInvalid", " ".join(problem.message for problem in problems.found), target=_targets(problems.found)
        )
    arguments = tuple(f"{_argument(path)}={value}" for path, value in exact.items())
    return Values(msgspec.json.encode(values, order="deterministic"), arguments, masker(protected.values()) or str)


def parse_key(key: str) -> Path:
    """Return the steps that a dotted key names, list positions as integers; raises `ValueError` with the reason."""
    steps: list[str | int] = []
    for part in _parts(key):
        name, positions = _split_positions(part)
        if not name:
            raise ValueError("a level has no name")
        steps.append(name)
        steps.extend(positions)
    if len(steps) > _DEEPEST:
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
    return tuple(steps)


def _parts(key: str) -> list[str]:
    """Return ``key`` cut at its plain dots; escapes stay for the next stage."""
    parts, current, escaped = [], "", False
    for letter in key:
        if escaped or letter == "\\":
            current += letter
            escaped = not escaped
        elif letter == ".":
            parts.append(current)
            current = ""
        else:
            current += letter
    if escaped:
        raise ValueError("it ends with a backslash")
    return [*parts, current]


def _split_positions(part: str) -> tuple[str, list[int]]:
    bracket = _plain(part, "[")
    if bracket < 0:
        if _plain(part, "]") >= 0:
            raise ValueError("it has a ] without a [")
        return _unescaped(part), []
    tail = part[bracket:]
    found = _INDEX.findall(tail)
    if "".join(f"[{index}]" for index in found) != tail:
        raise ValueError(f"{tail!r} is no list position; write [0]")
    positions = [int(index) for index in found]
    if max(positions) > _LONGEST_LIST:
        raise ValueError(f"a list position is above {_LONGEST_LIST}")
    return _unescaped(part[:bracket]), positions


def _plain(text: str, letter: str) -> int:
    """Return where ``letter`` first stands unescaped, -1 for nowhere."""
    escaped = False
    for index, current in enumerate(text):
        if current == letter and not escaped:
            return index
        escaped = current == "\\" and not escaped
    return -1


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _path(key: str, problems: Problems) -> Path | None:
    try:
        return parse_key(key)
    except ValueError as error:
        problems.add("SettingInvalid", f"The setting key {key!r} is not valid: {error}.", target=key)
        return None


def _free(path: Path, key: str, placed: dict[Path, str], problems: Problems) -> bool:
    """Refuse a key whose place another key of the same layer has taken as a plain value, or below which it set one."""
    for other, name in placed.items():
        shorter = min(len(other), len(path))
        clash = other[:shorter] == path[:shorter]
        mixed = _mixed(other, path)
        if clash or mixed:
            problems.add("SettingInvalid", f"The setting keys {name!r} and {key!r} exclude each other.", target=key)
            return False
    placed[path] = key
    return True


def _mixed(one: Path, other: Path) -> bool:
    """Say whether two paths use the same place as a list and as a map."""
    for left, right in zip(one, other, strict=False):
        if isinstance(left, int) is not isinstance(right, int):
            return True
        if left != right:
            return False
    return False


def _typed(text: str, *, secret: bool) -> Any:
    lowered = text.lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    if lowered == "null":
        return None
    if text == "0":
        return 0
    if _WHOLE.match(text) and -(2**63) <= (number := int(text)) < 2**63:
        return text if secret and _is_large(number) else number
    return text


def _is_large(value: Any) -> bool:
    return isinstance(value, int) and abs(value) >= _EXACT_AS_FLOAT


def _put(holder: Any, path: Path, value: Any) -> Any:
    """Return ``holder`` with ``value`` at ``path``; what is in the way of a map or list is replaced by one."""
    if not path:
        return value
    step = path[0]
    if isinstance(step, int):
        items: list[Any] = holder if isinstance(holder, list) else []
        items.extend([None] * (step + 1 - len(items)))
        items[step] = _put(items[step], path[1:], value)
        return items
    table: dict[str, Any] = holder if isinstance(holder, dict) else {}
    table[step] = _put(table.get(step), path[1:], value)
    return table


def _forget(exact: dict[Path, int], path: Path) -> None:
    for known in [known for known in exact if known[: len(path)] == path or path[: len(known)] == known]:
        del exact[known]


def _argument(path: Path) -> str:
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + _SPECIAL.sub(r"\\\1", step)
    return text


def _targets(found: Sequence[Problem]) -> str:
    return ", ".join(problem.target or "" for problem in found)

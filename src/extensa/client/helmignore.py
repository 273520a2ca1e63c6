"""What a chart's ``.helmignore`` leaves out: Helm's own rules, which are like git's but fewer.

Pure. A line is a shell pattern: matched against the last name of a path, or against the whole path when there is a
slash in it; a slash at the end means folders only, one at the beginning the chart's folder. ``!`` leaves out everything
that does *not* match, as Helm does. ``**`` is refused, as Helm does. ``templates/.?*`` is left out always.
"""

import re
from dataclasses import dataclass

from extensa.base.errors import Problems

_ALWAYS = "templates/.?*"
_ITEM = re.compile(r"([^-])(?:-([^-]))?")
_ITEMS = re.compile(rf"(?:{_ITEM.pattern})+\Z")


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    whole_path: bool
    folders_only: bool
    negated: bool

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Whether this rule leaves ``path`` out (the order of the questions is Helm's)."""
        matches = self.pattern.match(path if self.whole_path else path.rpartition("/")[2]) is not None
        if self.negated:
            return (self.folders_only and not is_folder) or not matches
        return matches and (is_folder or not self.folders_only)


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules of one chart."""

    rules: tuple[_Rule, ...]

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Return whether ``path`` (with slashes, relative to the chart's folder) is left out, with all below it."""
        return any(rule.ignores(path, is_folder=is_folder) for rule in self.rules)


def read_rules(text: str, problems: Problems) -> IgnoreRules:
    """Return the rules in a ``.helmignore`` file; a line that cannot be understood goes to ``problems``."""
    rules = []
    for number, line in enumerate([*text.splitlines(), _ALWAYS], start=1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        try:
            rules.append(_rule(word))
        except ValueError as error:
            problems.add(
                "ChartCannotBePacked",
                f"The chart cannot be packed: line {number} of its .helmignore, '{word}', {error}.",
                target=".helmignore",
            )
    return IgnoreRules(tuple(rules))


def _rule(word: str) -> _Rule:
    if "**" in word:
        raise ValueError("has a double star, which Helm does not know")
    negated, word = word.startswith("!"), word.removeprefix("!")
    folders_only, word = word.endswith("/"), word.removesuffix("/")
    pattern = re.compile(_translated(word.removeprefix("/")) + r"\Z", re.DOTALL)
    return _Rule(pattern, whole_path="/" in word, folders_only=folders_only, negated=negated)


def _translated(glob: str) -> str:
    """Return a shell pattern as a regular expression; unlike fnmatch's, its stars stop at slashes (Go's path.Match)."""
    found, place = "", 0
    while place < len(glob):
        letter = glob[place]
        place += 1
        if letter == "*":
            found += "[^/]*"
        elif letter == "?":
            found += "[^/]"
        elif letter == "\\":
            found += re.escape(glob[place : place + 1])
            place += 1
        elif letter == "[":
            end = glob.find("]", place + 1)
            if end < 0:
                raise ValueError("has a [ without a ]")
            found += _class(glob[place:end])
            place = end + 1
        else:
            found += re.escape(letter)
    return found


def _class(inside: str) -> str:
    """Return what stands between brackets as a class of a regular expression: single letters and ranges."""
    negation = "^" if inside.startswith("^") else ""
    rest = inside.removeprefix("^")
    if not _ITEMS.match(rest):
        raise ValueError("has brackets that hold no letters and ranges")
    return f"[{negation}{''.join(_range(*item) for item in _ITEM.findall(rest))}]"


def _range(first: str, last: str) -> str:
    if not last:
        return re.escape(first)
    if first > last:
        raise ValueError("has a range that is none")
    return f"{re.escape(first)}-{re.escape(last)}"

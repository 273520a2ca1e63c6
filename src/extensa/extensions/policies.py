"""What the caller may say of failures, drift and adoption: read from JSON, laid over what is stored, shown again. Pure.

These properties are ours and Azure has none of them, so they follow one law at every api-version: silence keeps what
is stored, in a PUT too (a client that cannot see them cannot mean to change them), null puts the default back, and
what is the default is not shown. A word of ours that is not known is refused and not let through: nobody else's client
sends it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

import msgspec
from msgspec.structs import replace

from extensa.base.errors import Problems
from extensa.extensions.model import Policies
from extensa.link.extension import DriftMode, DriftPolicy, FailurePolicy, OnFailure

MOST_RETRIES = 10
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(hours=24)
LONGEST_EFFORT = timedelta(hours=48)
"""How long all efforts together may take: no operation runs longer (contract §3.4)."""
MOST_RULES = 100
LONGEST_RULE = 512

_SELECTOR, _POINTER = r"[A-Za-z][A-Za-z0-9]*(?:/[^/\s]+)?:", r"(?:/(?:[^~/]|~[01])*)"
_RULE = re.compile(f"{_SELECTOR}{_POINTER}*|{_POINTER}+")
_FAILURE, _DRIFT, _ADOPTION = "failurePolicy", "driftPolicy", "adoption"


class Unsaid(Enum):
    """Marks a property that a body does not name; None is what it names as null."""

    UNSAID = "unsaid"


UNSAID = Unsaid.UNSAID


@dataclass(frozen=True, slots=True)
class PolicyWishes:
    """What a body says of the policies, property by property: a value, None for the default, or nothing."""

    on_failure: OnFailure | Unsaid | None = UNSAID
    retries: int | Unsaid | None = UNSAID
    timeout: int | Unsaid | None = UNSAID
    drift_mode: DriftMode | Unsaid | None = UNSAID
    ignore: Sequence[str] | Unsaid | None = UNSAID
    adopt: bool | Unsaid | None = UNSAID


SILENT = PolicyWishes()
"""Of a body that names none of them."""


def read(properties: Mapping[str, Any], problems: Problems) -> PolicyWishes:
    """Return what ``properties`` say of the policies; whatever cannot be read goes to ``problems``, all of it."""
    failure = _object(properties, _FAILURE, ("onFailure", "retries", "timeout"), problems)
    drift = _object(properties, _DRIFT, ("mode", "ignore"), problems)
    at_failure, at_drift = f"properties.{_FAILURE}.", f"properties.{_DRIFT}."
    return PolicyWishes(
        on_failure=_said(failure, "onFailure", lambda v: _word(OnFailure, v, at_failure + "onFailure", problems)),
        retries=_said(failure, "retries", lambda v: _retries(v, at_failure + "retries", problems)),
        timeout=_said(failure, "timeout", lambda v: _timeout(v, at_failure + "timeout", problems)),
        drift_mode=_said(drift, "mode", lambda v: _word(DriftMode, v, at_drift + "mode", problems)),
        ignore=_said(drift, "ignore", lambda v: _rules(v, at_drift + "ignore", problems)),
        adopt=_said(properties, _ADOPTION, lambda v: _adopt(v, problems)),
    )


def laid_over(stored: Policies, wishes: PolicyWishes) -> Policies:
    """Return ``stored`` with what ``wishes`` say laid over it."""
    default = Policies()
    failure = FailurePolicy(
        on_failure=_either(wishes.on_failure, stored.failure.on_failure, default.failure.on_failure),
        retries=_either(wishes.retries, stored.failure.retries, default.failure.retries),
    )
    drift = DriftPolicy(
        mode=_either(wishes.drift_mode, stored.drift.mode, default.drift.mode),
        ignore=list(_either(wishes.ignore, stored.drift.ignore, default.drift.ignore)),
    )
    timeout = stored.timeout if isinstance(wishes.timeout, Unsaid) else wishes.timeout
    adopt = _either(wishes.adopt, stored.adopt, default.adopt)
    return replace(stored, failure=failure, timeout=timeout, drift=drift, adopt=adopt)


def check(policies: Policies, timeout: int, problems: Problems) -> None:
    """Ask that all efforts together end before an operation has to; ``timeout`` is that of one, in seconds."""
    efforts = policies.failure.retries + 1
    if timedelta(seconds=timeout) * efforts > LONGEST_EFFORT:
        problems.add(
            "InvalidFailurePolicy",
            f"{efforts} efforts of {duration(timeout)} each could take longer than an operation may: "
            f"{duration(int(LONGEST_EFFORT.total_seconds()))}.",
            target=f"properties.{_FAILURE}",
            next_step="Ask for fewer retries, or for a shorter timeout.",
        )


def rendered(policies: Policies) -> dict[str, Any]:
    """Return the properties that show ``policies``: none for what is the default."""
    shown: dict[str, Any] = {}
    if policies.failure != FailurePolicy() or policies.timeout is not None:
        shown[_FAILURE] = {
            "onFailure": policies.failure.on_failure.capitalize(),
            "retries": policies.failure.retries,
        }
        if policies.timeout is not None:
            shown[_FAILURE]["timeout"] = duration(policies.timeout)
    if policies.drift != DriftPolicy():
        shown[_DRIFT] = {"mode": policies.drift.mode.capitalize(), "ignore": policies.drift.ignore}
    if policies.adopt:
        shown[_ADOPTION] = "Adopt"
    return shown


def duration(seconds: int) -> str:
    """Return ``seconds`` as an ISO 8601 duration: ``PT1H30M``."""
    hours, rest = divmod(seconds, 3600)
    parts = zip((hours, *divmod(rest, 60)), "HMS", strict=True)
    return "PT" + ("".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0S")


def seconds_of(text: str) -> int | None:
    """Return how many seconds an ISO 8601 duration of days, hours, minutes and seconds is; None for anything else."""
    try:
        found = msgspec.convert(text, timedelta)
    except msgspec.ValidationError:
        return None
    return None if found.microseconds or found < timedelta() else int(found.total_seconds())


def _object(properties: Mapping[str, Any], name: str, known: Sequence[str], problems: Problems) -> Mapping[str, Any]:
    """What stands under ``name``, or everything null when it is null itself."""
    if name not in properties:
        return {}
    given = properties[name]
    if given is None:
        return dict.fromkeys(known)
    target = f"properties.{name}"
    if not isinstance(given, dict):
        problems.add(_code(name), f"'{target}' must be an object with {_listed(known)}.", target=target)
        return {}
    for word in given:
        if word not in known:
            problems.add(
                _code(name),
                f"'{target}' has no property '{word[:64]}'; it has {_listed(known)}.",
                target=f"{target}.{word[:64]}",
            )
    return given


def _said(given: Mapping[str, Any], name: str, of: Callable[[Any], Any]) -> Any:
    if name not in given:
        return UNSAID
    return None if given[name] is None else of(given[name])


def _either(wish: Any, stored: Any, default: Any) -> Any:
    if isinstance(wish, Unsaid):
        return stored
    return default if wish is None else wish


def _word(kind: type[OnFailure] | type[DriftMode], value: Any, target: str, problems: Problems) -> Any:
    try:
        return kind(value.casefold() if isinstance(value, str) else value)
    except ValueError:
        known = [word.capitalize() for word in kind]
        problems.add(_code(target), f"'{target}' must be one of {_listed(known)}{_not(value)}.", target=target)
        return UNSAID


def _retries(value: Any, target: str, problems: Problems) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_RETRIES:
        return value
    problems.add(
        _code(target), f"'{target}' must be a whole number from 0 to {MOST_RETRIES}{_not(value)}.", target=target
    )
    return UNSAID


def _timeout(value: Any, target: str, problems: Problems) -> Any:
    seconds = seconds_of(value) if isinstance(value, str) else None
    if seconds is not None and SHORTEST <= timedelta(seconds=seconds) <= LONGEST:
        return seconds
    problems.add(
        _code(target),
        f"'{target}' must be an ISO 8601 duration from {duration(int(SHORTEST.total_seconds()))} to "
        f"{duration(int(LONGEST.total_seconds()))}{_not(value)}.",
        target=target,
        next_step="Write ten minutes as 'PT10M', an hour and a half as 'PT1H30M'.",
    )
    return UNSAID


def _rules(value: Any, target: str, problems: Problems) -> Any:
    if not isinstance(value, list) or len(value) > MOST_RULES:
        problems.add(_code(target), f"'{target}' must be a list of at most {MOST_RULES} rules.", target=target)
        return UNSAID
    wrong = [n for n, rule in enumerate(value) if not _is_rule(rule)]
    for number in wrong:
        problems.add(
            _code(target),
            f"'{target}[{number}]' is no rule: it must be [kind[/name]:] and a JSON pointer{_not(value[number])}.",
            target=f"{target}[{number}]",
            next_step="Write 'Deployment/web:/spec/replicas', 'Deployment:/spec/replicas' or "
            "'/metadata/annotations'; in a name '/' is '~1', '~' is '~0', and '*' is any one step.",
        )
    return UNSAID if wrong else tuple(dict.fromkeys(value))


def _is_rule(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_RULE and _RULE.fullmatch(value) is not None


def _adopt(value: Any, problems: Problems) -> Any:
    word = value.casefold() if isinstance(value, str) else value
    if word in ("adopt", "refuse"):
        return word == "adopt"
    target = f"properties.{_ADOPTION}"
    problems.add(_code(_ADOPTION), f"'{target}' must be one of 'Refuse', 'Adopt'{_not(value)}.", target=target)
    return UNSAID


def _code(name: str) -> str:
    for part in (_FAILURE, _DRIFT):
        if part in name:
            return f"Invalid{part[0].upper()}{part[1:]}"
    return "InvalidAdoption"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _not(value: Any) -> str:
    """What was given instead, where that is short and plain enough to be said."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f", not '{text}'" if isinstance(value, str | int | float) and len(text) <= 64 else ""

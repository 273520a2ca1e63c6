"""The flags of `extensa extension create` and `update`, read into wishes: settings, versions, policies.

The same value may come as pairs on the command line or in a JSON file, never both; everything else az accepts here has
its older spellings too.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from extensa.cli import options
from extensa.client.extensions import Wishes, pairs

_F = TypeVar("_F", bound=Callable[..., Any])
_SETTINGS = ("--configuration-settings", "--config", "--config-settings")
_PROTECTED = ("--configuration-protected-settings", "--config-protected-settings", "--config-protected")

GREEDY = (*_SETTINGS, *_PROTECTED, "--drift-ignore")
"""The flags that take any number of values."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def settings(command: _F) -> _F:
    """Add the flags that carry settings; each takes any number of pairs, or a file instead."""
    command = click.option(
        *(f"{flag}-file" for flag in _PROTECTED), "protected_file", type=_FILE, help="JSON file of protected settings."
    )(command)
    command = click.option(
        *_PROTECTED, "protected", multiple=True, metavar="KEY=VALUE …", help="Secrets: nobody is shown them again."
    )(command)
    command = click.option(
        *(f"{flag}-file" for flag in _SETTINGS), "settings_file", type=_FILE, help="JSON file of settings."
    )(command)
    return click.option(
        *_SETTINGS, "settings", multiple=True, metavar="KEY=VALUE …", help="Settings, any number of pairs."
    )(command)


def versioning(command: _F) -> _F:
    """Add the flags that choose a version."""
    command = click.option("--release-train", metavar="TRAIN", help="Train to follow, such as stable.")(command)
    command = click.option("--version", metavar="VERSION", help="Exact version; switches automatic upgrades off.")(
        command
    )
    modes = click.Choice(("none", "patch", "compatible"), case_sensitive=False)
    command = click.option("--auto-upgrade-mode", type=modes, help="How far automatic upgrades go.")(command)
    return options.three_state(
        "--auto-upgrade-minor-version", "--auto-upgrade", "auto_upgrade", help="Follow new minor versions."
    )(command)


def policies(command: _F) -> _F:
    """Add the flags that say what follows a failure and drift, and whether what is there may be taken over."""
    command = options.three_state(
        "--adopt", help="Take over a release or objects of these names that somebody else has made; default: refuse."
    )(command)
    command = click.option(
        "--drift-ignore",
        multiple=True,
        metavar="RULE …",
        help="Fields left to others: [kind[/name]:]json-pointer; replaces the list, '' empties it.",
    )(command)
    command = click.option(
        "--drift", type=_choice("off", "report", "correct"), help="When live objects change; default: report."
    )(command)
    command = click.option(
        "--timeout", metavar="TIME", help="How long one effort may take: 90s, 10m, 1h30m; default: the server's."
    )(command)
    command = click.option(
        "--retries", type=click.IntRange(0, 10), help="How often to begin again after a failure; default: 0."
    )(command)
    return click.option(
        "--on-failure",
        type=_choice("rollback", "uninstall", "stay"),
        help="What becomes of a failed release, once evidence is kept; default: rollback, as on Azure.",
    )(command)


def wishes(given: dict[str, Any], *, identity: bool = False) -> Wishes:
    """Return what the flags ask for; raises `click.UsageError` and `Refused` when a setting cannot be read."""
    return Wishes(
        extension_type=given.get("extension_type"),
        scope=given.get("scope"),
        version=given.get("version"),
        auto_upgrade=given.get("auto_upgrade"),
        auto_upgrade_mode=given.get("auto_upgrade_mode"),
        release_train=given.get("release_train"),
        release_namespace=given.get("release_namespace"),
        target_namespace=given.get("target_namespace"),
        settings=_map(given["settings"], given["settings_file"], _SETTINGS[0]),
        protected=_map(given["protected"], given["protected_file"], _PROTECTED[0]),
        plan_name=given.get("plan_name"),
        plan_product=given.get("plan_product"),
        plan_publisher=given.get("plan_publisher"),
        identity=identity,
        on_failure=given.get("on_failure"),
        retries=given.get("retries"),
        timeout=given.get("timeout"),
        drift=given.get("drift"),
        drift_ignore=given.get("drift_ignore") or None,
        adopt=given.get("adopt"),
    )


def _choice(*words: str) -> click.Choice[str]:
    return click.Choice(words, case_sensitive=False)


def _map(words: tuple[str, ...], file: Path | None, flag: str) -> dict[str, str]:
    """Return the settings of pairs or of a file; both at once is a mistake, as in az."""
    if file is None:
        return pairs(words, flag=flag)
    if words:
        raise click.UsageError(f"{flag} and {flag}-file cannot be used together.")
    try:
        found = json.loads(file.read_bytes())
    except ValueError as error:
        raise click.UsageError(f"{file} is not JSON: {error}.") from error
    if not isinstance(found, dict) or not found:
        raise click.UsageError(f"{file} must hold a JSON object with at least one setting.")
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}

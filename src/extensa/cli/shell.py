"""The variables that make a shell speak to this installation, as lines for ``eval``.

Pure: facts in, lines out. Everything is quoted, so that no value can be read as a command.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from extensa.base.home import Home
from extensa.client.token import Credential

_LOOPBACK = ("localhost", "127.0.0.1")


def exports(
    credential: Credential, home: Home, environ: Mapping[str, str], *, ca_bundle: Path | None, sdk: bool = False
) -> dict[str, str]:
    """Return the variables by name, in the order they are printed.

    ``ca_bundle`` is None when nothing is encrypted here.
    ``sdk`` gives the form in which ``DefaultAzureCredential`` asks no public directory: tenant ``adfs``.
    """
    found = {
        "EXTENSA_ARM": credential.endpoint,
        "EXTENSA_HOME": str(home.path),
        "AZURE_TENANT_ID": "adfs" if sdk else credential.tenant,
        "AZURE_CLIENT_ID": credential.client_id,
        "AZURE_CLIENT_SECRET": credential.client_secret,
        "AZURE_SUBSCRIPTION_ID": credential.subscription,
        "AZURE_AUTHORITY_HOST": credential.authority,
        "AZURE_CONFIG_DIR": str(home.azure_config),
        **({"REQUESTS_CA_BUNDLE": str(ca_bundle), "SSL_CERT_FILE": str(ca_bundle)} if ca_bundle else {}),
        "KUBECONFIG": str(home.kubeconfig),
        "PATH": _path(str(home.bin), environ.get("PATH", "")),
    }
    if any(environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        found["NO_PROXY"] = _no_proxy(environ.get("NO_PROXY") or environ.get("no_proxy") or "")
    return found


def lines(variables: Mapping[str, str]) -> str:
    """Return ``export NAME=VALUE`` lines, quoted for a POSIX shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def command(program: Path, home: Home, *, cwd: Path, found_without: Path, on_path: bool) -> str:
    """Return how a person types ``extensa`` here so that it works as it stands: short when it can be.

    ``found_without`` is the data folder that a command finds when ``EXTENSA_HOME`` is not set.
    """
    if on_path:
        words = program.name
    elif program.is_relative_to(cwd):
        words = shlex.quote(str(program.relative_to(cwd)))
    else:
        words = shlex.quote(str(program))
    return words if found_without == home.path else f"EXTENSA_HOME={shlex.quote(str(home.path))} {words}"


def _path(first: str, present: str) -> str:
    rest = [entry for entry in present.split(":") if entry and entry != first]
    return ":".join([first, *rest])


def _no_proxy(present: str) -> str:
    entries = [entry for entry in present.split(",") if entry]
    return ",".join([*entries, *(name for name in _LOOPBACK if name not in entries)])

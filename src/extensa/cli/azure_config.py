"""A ready-made ``AZURE_CONFIG_DIR``: four files that let `az` talk to this installation without a login command.

az keeps its own notes in the same folder (token caches, its installation id), so the files are written only when they
are missing or when what they say of us has changed. The user's own ``~/.azure`` is never touched.
"""

import configparser
import hashlib
import io
import json
from pathlib import Path

from extensa.base.home import write_file
from extensa.client.token import Credential

_CLOUD = "Extensa"
_STAMP = ".extensa-digest"


def prepare(folder: Path, credential: Credential) -> None:
    """Make ``folder`` (0700) ready for az to act as ``credential``; raises `OSError` as the system gives it."""
    files = contents(credential)
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    stamp = folder / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="ascii") == digest and all((folder / n).is_file() for n in files):
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("msal_token_cache.json", "msal_http_cache.bin"):
        (folder / name).unlink(missing_ok=True)  # az would go on with tokens and addresses of another installation
    for name, text in files.items():
        write_file(folder / name, text.encode())
    write_file(stamp, digest.encode())


def contents(credential: Credential) -> dict[str, str]:
    """Return the files by name, as az 2.91 reads them."""
    endpoint = credential.endpoint
    user = {"name": credential.client_id, "type": "servicePrincipal"}
    subscription = {
        "id": credential.subscription,
        "name": _CLOUD,
        "state": "Enabled",
        "user": user,
        "isDefault": True,
        "tenantId": credential.tenant,
        "environmentName": _CLOUD,
        "homeTenantId": credential.tenant,
        "managedByTenants": [],
    }
    secret = {
        "client_id": credential.client_id,
        "tenant": credential.tenant,
        "client_secret": credential.client_secret,
    }
    cloud = {
        "endpoint_management": endpoint,
        "endpoint_resource_manager": endpoint,
        "endpoint_active_directory": credential.authority,
        "endpoint_active_directory_resource_id": endpoint,
        "endpoint_active_directory_graph_resource_id": endpoint,
        "endpoint_microsoft_graph_resource_id": endpoint,
        "endpoint_gallery": endpoint,
        "profile": "latest",
        "subscription": credential.subscription,
    }
    return {
        "clouds.config": _ini({_CLOUD: cloud}),
        "config": _ini(
            {
                "cloud": {"name": _CLOUD},
                # AAD's public directory knows nothing of this authority and is not asked (and may not be reachable).
                "core": {
                    "instance_discovery": "false",
                    "collect_telemetry": "false",
                    "survey_message": "false",
                    "encrypt_token_cache": "false",
                },
            }
        ),
        "azureProfile.json": json.dumps({"subscriptions": [subscription]}),
        "service_principal_entries.json": json.dumps([secret]),
    }


def _ini(sections: dict[str, dict[str, str]]) -> str:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(sections)
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()

"""A caller nobody here wrote: drives Extensa with Microsoft's own SDKs, unmodified, and prints what they saw as JSON.

Run by `test_azure_sdk.py` with the interpreter of ``.clients/sdk``; reads its address and credentials from the
environment that ``extensa env --sdk`` prints. Arguments: resource group, cluster, extension name, file for
the result. After the patch it says ``installed`` and waits for a line, so that the release can be looked at.
"""

import json
import os
import sys
import time
from pathlib import Path

from azure.identity import DefaultAzureCredential
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.kubernetesconfiguration import SourceControlConfigurationClient
from azure.mgmt.kubernetesconfiguration.extensions import KubernetesConfigurationExtensionsMgmtClient
from azure.mgmt.kubernetesconfiguration.extensions.models import Extension, PatchExtension
from azure.mgmt.resource.resources import ResourceManagementClient


def main() -> None:
    """Create, read, patch, list and delete one extension; print one JSON object."""
    group, cluster, name = sys.argv[1:4]
    endpoint = os.environ["EXTENSA_ARM"]
    common = {"base_url": endpoint, "credential_scopes": [endpoint + "/.default"]}
    credential, subscription = DefaultAzureCredential(), os.environ["AZURE_SUBSCRIPTION_ID"]
    at = (group, "Microsoft.ContainerService", "managedClusters", cluster)
    seen = {}

    extensions = KubernetesConfigurationExtensionsMgmtClient(credential, subscription, **common).extensions
    begun = time.monotonic()
    created = extensions.begin_create(
        *at,
        name,
        Extension(
            {
                "properties": {
                    "extensionType": "extensa.hello",
                    "autoUpgradeMinorVersion": False,
                    "version": "1.0.0",
                    "configurationSettings": {"greeting": "from the SDK"},
                    "configurationProtectedSettings": {"secret.token": "never-shown-again"},
                }
            }
        ),
    ).result()
    seen["created"] = created.as_dict()
    seen["create_seconds"] = round(time.monotonic() - begun, 2)
    seen["read"] = extensions.get(*at, name).as_dict()
    patch = PatchExtension({"properties": {"version": "1.1.0", "configurationSettings": {"greeting": "patched"}}})
    seen["patched"] = extensions.begin_update(*at, name, patch).result().as_dict()
    seen["listed"] = [e.name for e in extensions.list(*at)]

    older = SourceControlConfigurationClient(credential, subscription, **common).extensions
    seen["read_by_older_sdk"] = older.get(*at, name).as_dict()
    seen["listed_by_older_sdk"] = [e.name for e in older.list(*at)]

    clusters = ContainerServiceClient(credential, subscription, **common).managed_clusters
    seen["cluster"] = clusters.get(group, cluster).as_dict()
    groups = ResourceManagementClient(credential, subscription, **common).resource_groups
    seen["groups"] = [g.name for g in groups.list()]

    seen_file = Path(sys.argv[4])
    seen_file.write_text(json.dumps(seen, default=str), encoding="utf-8")
    print("installed", flush=True)
    sys.stdin.readline()

    older.begin_delete(*at, name, force_delete=False).result()
    seen["listed_after_delete"] = [e.name for e in extensions.list(*at)]
    seen_file.write_text(json.dumps(seen, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()

"""A server as a process of its own, asked by raw requests: its owner's token, its paths, and how a refusal reads."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from extensa.base.home import Home
from scenarios.raw_http import Answer, RawClient

OTHER = "00000000-0000-0000-0000-000000000000"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
V = {"extension": "2025-03-01", "cluster": "2026-06-01", "group": "2024-11-01", "type": "2026-05-01"}


@dataclass
class Front:
    """A running server, and how its owner speaks to it."""

    home: Home
    port: int
    log: Path
    owner: dict[str, Any] = field(default_factory=dict)
    token: str = ""

    @property
    def raw(self) -> RawClient:
        return RawClient(self.port, self.home.ca_certificate)

    def path(self, what: str, **parts: str) -> str:
        """The path of a thing; every part of it may be named otherwise."""
        of = {"s": self.owner["subscriptionId"], "g": "demo", "c": "c1", "n": "hello", "t": "x.y", "v": "", **parts}
        group = "/subscriptions/{s}/resourceGroups/{g}"
        cluster = group + "/providers/Microsoft.ContainerService/managedClusters/{c}"
        template = {
            "group": group,
            "cluster": cluster,
            "clusters": cluster.removesuffix("/{c}"),
            "extension": cluster + "/providers/Microsoft.KubernetesConfiguration/extensions/{n}",
            "extensions": cluster + "/providers/Microsoft.KubernetesConfiguration/extensions",
            "types": cluster + "/providers/Microsoft.KubernetesConfiguration/extensionTypes",
            "pools": cluster + "/agentPools",
            "type": "/subscriptions/{s}/providers/Microsoft.KubernetesConfiguration/extensionTypes/{t}",
        }[what]
        return template.format(**of) + f"?api-version={of['v'] or V.get(what) or V.get(what[:-1]) or V['cluster']}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request as the owner; a header of None is left out."""
        sent = {"Authorization": f"Bearer {self.token}", **({"Content-Type": "application/json"} if body else {})}
        return self.raw.ask(
            method, path, body, headers={**sent, **{k.replace("_", "-"): v for k, v in headers.items()}}
        )


def sign_in(front: Front, **changed: str) -> Answer:
    """Ask for a token as MSAL does."""
    form = {
        "grant_type": "client_credentials",
        "client_id": front.owner["clientId"],
        "client_secret": front.owner["clientSecret"],
        "scope": f"{front.owner['endpoint']}/.default",
        **changed,
    }
    path = f"/{front.owner['tenantId']}/oauth2/v2.0/token"
    return front.raw.ask("POST", path, urlencode(form).encode(), headers=FORM)


def told(answer: Answer) -> tuple[int, str]:
    """Status and code of a refusal in ARM's shape."""
    return answer.status, answer.error["code"]

"""What `extensa up` makes for a newcomer, as any client would: a group, a cluster, one extension.

Every step looks first and does only what is missing, so that a second run changes nothing. The pieces come back as the
API shows them; how they are told is for ``cli/screen.py``.
"""

import time
from collections.abc import Callable
from typing import Any

from extensa.base.errors import ExtensaError, NotFound
from extensa.cli.cluster import cluster_body, fetch_kubeconfig
from extensa.cli.extension import list_objects
from extensa.cli.session import Session
from extensa.cli.waiting import telling, words
from extensa.client import paths
from extensa.client.errors import from_operation
from extensa.client.extensions import Wishes, create_body
from extensa.client.operations import Accepted

NAME = "demo"
EXTENSION = "hello"
EXTENSION_TYPE = "extensa.hello"
_TERMINAL = ("Succeeded", "Failed", "Canceled")
_LOOK = 0.3
_LIVE = 60.0  # seconds for which a restarted cluster may take to show its objects

Say = Callable[[str], None]
Watch = Callable[[], None]
"""Called at every turn of a wait; raises when waiting is in vain."""


class Demo:
    """The demonstration on one installation."""

    def __init__(self, session: Session, *, watch: Watch) -> None:
        self._session = session
        self._watch = watch
        self.group = paths.group(session.subscription, NAME)
        self.cluster = paths.cluster(session.subscription, NAME, NAME)
        self.extension = paths.extension(self.cluster, EXTENSION)

    def make_cluster(self, say: Say) -> Any:
        """Return the cluster, made or started when it is not running; raises `OperationFailed` when it cannot be."""
        arm, api, location = self._session.arm, paths.CLUSTERS_API, self._session.settings.location
        if self._look(self.group, paths.GROUPS_API) is None:
            arm.put(self.group, paths.GROUPS_API, {"location": location})
        found = self._settled(self.cluster, api, say)
        if _state(found) != "Succeeded":
            self._finish(arm.put(self.cluster, api, cluster_body(location)), self.cluster, api, say)
        elif found["properties"].get("powerState", {}).get("code") == "Stopped":
            self._finish(arm.post(f"{self.cluster}/start", api), self.cluster, api, say)
        return arm.get(self.cluster, api)

    def make_extension(self, say: Say) -> Any:
        """Return the extension, installed when it is not there or has failed; raises `OperationFailed`."""
        arm, api = self._session.arm, paths.EXTENSIONS_API
        found = self._settled(self.extension, api, say)
        if _state(found) != "Succeeded":
            body = create_body(Wishes(extension_type=EXTENSION_TYPE))
            self._finish(arm.put(self.extension, api, body), self.extension, api, say)
        return arm.get(self.extension, api)

    def kubeconfig(self, say: Say) -> bytes:
        """Return the cluster's kubeconfig, once its host has brought it up (again); raises what it says at the end."""
        deadline = time.monotonic() + _LIVE
        while True:
            try:
                return fetch_kubeconfig(self._session, self.cluster)
            except ExtensaError as error:
                if time.monotonic() > deadline or not _passing(error):
                    raise
                say(f"its host is bringing it up ({error.code})")
            self._watch()
            time.sleep(_LOOK)

    def objects(self, say: Say) -> list[Any]:
        """Return the extension's objects as the agent sees them now; what it saw last when it cannot look.

        Raises `ExtensaError` when the cluster has failed meanwhile, or does not answer for a minute.
        """
        deadline = time.monotonic() + _LIVE
        while True:
            try:
                return list_objects(self._session, self.extension, live=True)
            except ExtensaError as error:
                if not _passing(error):
                    return list_objects(self._session, self.extension)
                self._require_cluster()
                if time.monotonic() > deadline:
                    raise
                say(f"the cluster does not answer yet ({error.code})")
            self._watch()
            time.sleep(_LOOK)

    def _require_cluster(self) -> None:
        """Return quietly unless the cluster has failed: what was read of it before may be from before its restart."""
        found = self._look(self.cluster, paths.CLUSTERS_API)
        if found is not None and _state(found) == "Failed":
            status = found["properties"].get("status") or {}
            error = (status.get("provisioningError") or {}).get("error")
            raise from_operation(error, status="Failed", target=self.cluster)

    def _finish(self, promise: Accepted, path: str, api_version: str, say: Say) -> None:
        with telling(self._session, path, api_version, say=say):
            self._session.arm.wait(promise, target=path, on_turn=lambda _status: self._watch())

    def _settled(self, path: str, api_version: str, say: Say) -> Any:
        """Return the resource once no earlier work on it goes on any more, or None when it is not there."""
        while True:
            found = self._look(path, api_version)
            if found is None or _state(found) in _TERMINAL:
                return found
            say(words(found))
            self._watch()
            time.sleep(_LOOK)

    def _look(self, path: str, api_version: str) -> Any:
        try:
            return self._session.arm.get(path, api_version)
        except NotFound:
            return None


def _passing(error: ExtensaError) -> bool:
    """Whether the cluster may only be on its way up: it conflicts with its state, or it is not the caller's fault.

    One that has failed is not: that is told at once, with its cause.
    """
    if error.code == "ClusterNotRunning":
        return False
    return error.transient or error.status >= 500 or error.status == 409


def _state(resource: Any) -> str | None:
    state: str | None = resource["properties"].get("provisioningState") if resource else None
    return state

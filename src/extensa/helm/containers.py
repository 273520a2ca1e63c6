"""What a Pod's status tells of its containers: what holds one up, and how one ended. Pure.

It is what a kubelet writes, read by its own fields: waiting reasons, exit codes, restarts. No log is read here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]

_CONTAINER_CODES = {
    "ImagePullBackOff": "ImagePullFailed",
    "ErrImagePull": "ImagePullFailed",
    "InvalidImageName": "ImagePullFailed",
    "ErrImageNeverPull": "ImagePullFailed",
    "CrashLoopBackOff": "CrashLoop",
    "CreateContainerConfigError": "ContainerConfigInvalid",
    "CreateContainerError": "ContainerConfigInvalid",
    "RunContainerError": "ContainerConfigInvalid",
}


def troubles(status: Object) -> Iterator[tuple[str, str]]:
    """Yield the cause and the words for each container of a Pod that is held up, in the order in which they start."""
    for container in _containers(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        code = _CONTAINER_CODES.get(waiting.get("reason", ""))
        if not code:
            continue
        words = str(waiting.get("message") or waiting["reason"])
        last = _ended(container.get("lastState"))
        if code == "CrashLoop" and last:
            restarts = container.get("restartCount", 0)
            again = f"restarted {restarts} time{'' if restarts == 1 else 's'}"
            words = f"it ends with exit code {last.get('exitCode')}, {again}"
            if last.get("reason") == "OOMKilled":
                code, words = "OutOfMemory", f"it was ended for want of memory, {again}"
        yield code, f"container {container.get('name')}: {words}"


def ending(status: Object) -> str:
    """Return why a Pod has failed: its own word, else how its first container that ended badly ended."""
    if said := status.get("message") or status.get("reason"):
        return str(said)
    for container in _containers(status):
        if (code := _ended(container.get("state")).get("exitCode")) not in (None, 0):
            return f"container {container.get('name')} ended with exit code {code}"
    return "its containers ended badly"


def _containers(status: Object) -> list[Object]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _ended(state: Object | None) -> Object:
    return (state or {}).get("terminated") or {}

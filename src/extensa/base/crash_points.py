"""Named places between two durable steps at which a process can be made to die, so that a test can kill it just there.

A crash that matters happens between what is written and what follows from it; a test that kills by the clock seldom
meets that moment. Here every such moment has a name. In an installation a point costs one comparison: nothing is read
and nothing can happen unless the process was started with ``EXTENSA_CRASH_AT``, which is no setting of a product but
the path of a file by which a test orders one crash. It decides nothing and knows no room.
"""

import os
import signal
from pathlib import Path
from typing import Final

VARIABLE: Final = "EXTENSA_CRASH_AT"
"""Names a file; when the file holds the name of a point, the next process to reach that point removes it and dies."""

POINTS: Final = {
    "server.accept-decided": "a write was decided and nothing of it is kept",
    "server.accept-kept": "resource, operation and document are kept; the caller has no answer",
    "server.store-committed": "any transaction is on the disk and nobody was told",
    "server.feed-read": "an agent's documents were read and did not reach it",
    "server.settle-decided": "a report was judged and nothing of it is kept",
    "server.settle-kept": "the outcome is kept; the agent does not know that it was taken",
    "agent.document-heard": "a document was heard and is not kept",
    "agent.document-kept": "a document is kept; nothing was done about it",
    "agent.chart-kept": "a chart was fetched and is kept; no act has begun",
    "agent.act-due": "an act was chosen and has not begun",
    "agent.act-ended": "Helm has finished an act; nobody has looked",
    "agent.remedy-due": "a failure is seen; its evidence is not kept and nothing is put right",
    "agent.evidence-kept": "evidence is kept; nothing is put right or told",
    "agent.leaving-kept": "what a release consists of is kept; its uninstall has not begun",
    "agent.aside-kept": "it is kept that a broken record is to be set aside; it was not",
    "agent.outcome-kept": "the outcome is kept; it is not told",
    "agent.report-sent": "a report was taken; the agent does not know it",
    "agent.release-gone": "a release was seen gone; it is neither told nor forgotten",
    "agent.memory-forgotten": "an extension is forgotten; its worker has not ended",
    "host.desired-kept": "what a cluster should be is kept; nothing of it is made",
    "host.keys-made": "keys are there; no kubeconfig is",
    "host.kubeconfig-written": "kubeconfigs are there; nothing was started",
    "host.store-started": "etcd and the API server run; no controllers do",
    "host.cluster-filled": "a cluster is ready; nobody was told",
    "host.report-sent": "a report was taken; the host does not know it",
    "host.cluster-stopped": "every process of a cluster has ended, by order; nobody was told",
    "host.kubeconfig-removed": "a cluster that goes is out of reach; its folder is there",
    "host.folder-set-aside": "the folder of a cluster that goes has another name; its content is there",
    "host.cluster-removed": "nothing of a cluster is left; nobody was told",
}
"""Every point and what a crash there leaves behind; a test holds that each is in the source and is crashed at."""

_order = os.environ.get(VARIABLE, "")


def reached(point: str) -> None:
    """Die here, at once and without a farewell, when a test has ordered it; else nothing."""
    if _order:
        _obey(point, Path(_order))


def _obey(point: str, order: Path) -> None:
    try:
        if order.read_text(encoding="ascii").strip() != point:
            return
        order.unlink()  # first: one order is one crash, and another process that was faster has taken it
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

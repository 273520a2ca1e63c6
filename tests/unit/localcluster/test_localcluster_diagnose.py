"""From what a program printed to what a person should do: samples of the programs' own words."""

import errno
from pathlib import Path

import pytest

from extensa.link.cluster import ClusterFailure
from extensa.localcluster.diagnose import STARTED, diagnose, timed_out
from extensa.localcluster.errors import ClusterError, from_os_error

PLENTY = 1 << 30

SAMPLES = {
    "DiskFull": (
        "etcd",
        (
            '{"level":"panic","ts":"2026-11-25T03:18:03Z","caller":"wal/wal.go:1","msg":"failed to save",'
            '"error":"write /data/etcd/member/wal/0.wal: no space left on device"}'
        ),
    ),
    "PortTaken": (
        "kube-apiserver",
        (
            'E1125 03:18:03.9 1 run.go:72] "command failed" err="failed to create listener: failed to listen on '
            '127.0.0.1:6443: listen tcp 127.0.0.1:6443: bind: address already in use"'
        ),
    ),
    "CertificateExpired": (
        "kube-controller-manager",
        (
            'E1125 03:18:03 1 run.go:72] "command failed" err="tls: failed to verify certificate: x509: '
            'certificate has expired or is not yet valid: current time is after"'
        ),
    ),
    "DataFolderReadOnly": (
        "etcd",
        (
            '{"level":"fatal","msg":"discovery failed","error":"cannot access data directory: open '
            '/data/etcd/.touch: read-only file system"}'
        ),
    ),
    "EtcdDataDamaged": (
        "etcd",
        (
            '{"level":"fatal","msg":"failed to recover v3 backend from snapshot","error":"failed to find database '
            'snapshot file"}'
        ),
    ),
    "EtcdFailed": ("etcd", '{"level":"fatal","msg":"something else"}'),
    "ApiServerFailed": ("kube-apiserver", "F1125 03:18:03.9 1 instance.go:1] Error creating leases: context deadline"),
    "ComponentFailed": ("kwok", "Error: no stages found"),
}


@pytest.mark.parametrize("code", list(SAMPLES))
def test_the_programs_own_words_lead_to_a_code_and_a_next_step(code: str) -> None:
    component, printed = SAMPLES[code]
    error = diagnose(component, exit_code=1, reason="", printed=f"{STARTED}\n{printed}\n", free=PLENTY)
    assert code == error.code
    assert f"{component} ended with exit code 1." in error.message
    assert printed[:100] in error.message
    assert error.next_step
    assert component == error.target


def test_what_an_earlier_run_said_does_not_count() -> None:
    printed = f"{STARTED}\n{SAMPLES['DiskFull'][1]}\n{STARTED}\nError: something new\n"
    assert "EtcdFailed" == diagnose("etcd", exit_code=1, reason="", printed=printed, free=PLENTY).code


def test_the_last_complaint_is_quoted_rather_than_the_last_line() -> None:
    printed = f"{STARTED}\nI1125 starting\nError: no stages found\nI1125 bye\n"
    error = diagnose("kwok", exit_code=1, reason="", printed=printed, free=PLENTY)
    assert error.message.endswith("It said last: Error: no stages found")


def test_the_line_with_the_cause_is_quoted_rather_than_a_later_complaint() -> None:
    printed = f"{STARTED}\nwrite 0.wal: no space left on device\npanic: failed to create WAL\n"
    error = diagnose("etcd", exit_code=2, reason="", printed=printed, free=PLENTY)
    assert error.message.endswith("It said last: write 0.wal: no space left on device")


def test_a_panic_is_quoted_by_its_words_and_not_by_its_stack() -> None:
    stack = "goroutine 9 [running]:\ngo.uber.org/zap.(*Logger).Panic(0x194e6b7faaf0?)\n\tzap/logger.go:285 +0x51\n"
    printed = f"{STARTED}\npanic: failed to open database: invalid database\n\n{stack}"
    error = diagnose("etcd", exit_code=2, reason="", printed=printed, free=PLENTY)
    assert "EtcdDataDamaged" == error.code
    assert error.message.endswith("It said last: panic: failed to open database: invalid database")


def test_a_log_that_was_cut_is_why_nothing_gets_ready() -> None:
    slow, cut = timed_out(90, log_cut=False), timed_out(90, log_cut=True)
    assert ("StartTimedOut", "The API server was not ready within 90 s.") == (slow.code, slow.message)
    assert "EtcdDataDamaged" == cut.code
    assert "create it again" in (cut.next_step or "")


def test_a_full_disk_needs_no_words() -> None:
    error = diagnose("etcd", exit_code=1, reason="", printed="", free=12 * 1024)
    assert "DiskFull" == error.code
    assert "etcd ended with exit code 1, and its disk has 12 KiB left." == error.message


@pytest.mark.parametrize(
    ("exit_code", "expected"), [(-9, "was ended by signal 9"), (2, "ended with exit code 2"), (None, "does not run")]
)
def test_how_it_ended_is_said(exit_code: int | None, expected: str) -> None:
    error = diagnose("kwok", exit_code=exit_code, reason="", printed="", free=PLENTY)
    assert f"kwok {expected}. It said last: nothing" == error.message


def test_a_program_that_cannot_be_started_is_missing() -> None:
    error = diagnose(
        "etcd", exit_code=None, reason="/programs/etcd: No such file or directory", printed="", free=PLENTY
    )
    assert ("BinariesMissing", True) == (error.code, "extensa kubernetes install" in (error.next_step or ""))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "DiskFull"),
        (errno.EDQUOT, "DiskFull"),
        (errno.EROFS, "DataFolderReadOnly"),
        (errno.EACCES, "DataFolderReadOnly"),
        (errno.EIO, "DataFolderFailed"),
    ],
)
def test_the_system_s_refusals_have_codes_too(number: int, expected: str) -> None:
    error = from_os_error(OSError(number, "words", "/data/u/file"), Path("/data/u"))
    assert expected == error.code
    assert error.next_step


def test_an_error_travels_on_the_link_as_a_failure() -> None:
    error = ClusterError("DiskFull", "No space.", next_step="Free some.")
    assert ClusterFailure(code="DiskFull", message="No space.", next_step="Free some.") == error.failure()
    assert error.transient

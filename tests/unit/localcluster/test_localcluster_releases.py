"""Release files: each project's own layout below a base address, and its own kind of checksum file."""

from pathlib import Path

import pytest

from extensa.base.settings import Settings
from extensa.localcluster.releases import ReleaseFile, expected_digest, release_file
from unit.localcluster.binaries_world import make_recipe

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (
            "kube-apiserver",
            ReleaseFile(
                "http://k/release/v1.37.1/bin/linux/amd64/kube-apiserver",
                "http://k/release/v1.37.1/bin/linux/amd64/kube-apiserver.sha256",
            ),
        ),
        (
            "kubectl",
            ReleaseFile(
                "http://k/release/v1.37.1/bin/linux/amd64/kubectl",
                "http://k/release/v1.37.1/bin/linux/amd64/kubectl.sha256",
            ),
        ),
        (
            "helm",
            ReleaseFile(
                "http://h/helm-v4.3.1-linux-amd64.tar.gz",
                "http://h/helm-v4.3.1-linux-amd64.tar.gz.sha256sum",
                "linux-amd64/helm",
            ),
        ),
        (
            "etcd",
            ReleaseFile(
                "http://e/v3.7.3/etcd-v3.7.3-linux-amd64.tar.gz",
                "http://e/v3.7.3/SHA256SUMS",
                "etcd-v3.7.3-linux-amd64/etcd",
            ),
        ),
        ("kwok", None),
        ("stages", None),
    ],
)
def test_every_project_has_a_layout_of_its_own(tmp_path: Path, program: str, expected: ReleaseFile | None) -> None:
    settings = Settings(kubernetes_releases="http://k/release/", helm_releases="http://h", etcd_releases="http://e")
    assert expected == release_file(program, make_recipe(tmp_path), settings)


@pytest.mark.parametrize("program", ["kube-apiserver", "kubectl", "helm", "etcd"])
def test_nothing_is_fetched_from_an_address_nobody_named(tmp_path: Path, program: str) -> None:
    assert None is release_file(program, make_recipe(tmp_path), Settings())


@pytest.mark.parametrize(
    ("checksums", "expected"),
    [
        (DIGEST, DIGEST),
        (f"{DIGEST.upper()}\n", DIGEST),
        (f"{'cd' * 32}  other.tar.gz\n{DIGEST}  file.tar.gz\n", DIGEST),
        (f"{DIGEST} *file.tar.gz\n", DIGEST),
        (f"{DIGEST}  other.tar.gz\n", None),
        (f"{DIGEST}\n{DIGEST}\n", None),
        ("<html>not found</html>", None),
        ("", None),
    ],
)
def test_a_checksum_file_is_believed_only_for_the_file_it_names(checksums: str, expected: str | None) -> None:
    assert expected == expected_digest(checksums, "file.tar.gz")

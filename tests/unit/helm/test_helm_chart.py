"""What is known of a chart archive before it is installed."""

import gzip
import io
import tarfile

import pytest

from extensa.helm.chart import read_chart
from extensa.helm.errors import HelmError

META = "apiVersion: v2\nname: c\nversion: 1.2.3\n"
AFTER = 'metadata:\n  annotations:\n    "helm.sh/hook": pre-install,post-upgrade\n'


def packed(files: dict[str, str]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return raw.getvalue()


def test_name_and_version_are_read() -> None:
    facts = read_chart(packed({"c/Chart.yaml": META, "c/templates/a.yaml": "kind: ConfigMap"}))

    assert ("c", "1.2.3", False) == (facts.name, facts.version, facts.post_hooks)


@pytest.mark.parametrize("path", ["c/templates/h.yaml", "c/charts/sub/templates/deep/h.yaml"])
def test_hooks_that_come_after_are_found(path: str) -> None:
    assert read_chart(packed({"c/Chart.yaml": META, path: AFTER})).post_hooks


@pytest.mark.parametrize(
    "text", ["helm.sh/hook: pre-install", "# post-install is mentioned", "helm.sh/hook-weight: '1' # post-install"]
)
def test_other_hooks_and_words_are_not_taken_for_them(text: str) -> None:
    assert not read_chart(packed({"c/Chart.yaml": META, "c/templates/h.yaml": text})).post_hooks


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"not an archive",
        gzip.compress(b"not a tar"),
        packed({"c/values.yaml": "{}"}),
        packed({"c/Chart.yaml": "[]"}),
        packed({"c/Chart.yaml": "name: c"}),
        packed({"c/Chart.yaml": "a: b: c"}),
        packed({"c/Chart.yaml": META})[:60],
    ],
)
def test_what_is_no_chart_is_refused(archive: bytes) -> None:
    with pytest.raises(HelmError) as caught:
        read_chart(archive)

    assert "ChartUnreadable" == caught.value.code

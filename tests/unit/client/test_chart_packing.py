"""A chart's folder becomes the same bytes every time, without what Helm leaves out and without what is not its own."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from extensa.base.errors import Problems, Refused
from extensa.client import chart
from extensa.client.chart import load_chart, pack
from extensa.client.helmignore import read_rules

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
FILES = {
    "Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.2.3\ndescription: An app\n",
    "values.yaml": "a: 1\n",
    "templates/b.yaml": "b",
    "templates/a.yaml": "a",
    "templates/.hidden": "editor's",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "folder-of-another-name", FILES)


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def members(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return tar.getmembers()


def names(archive: bytes) -> list[str]:
    return [member.name for member in members(archive)]


def test_one_folder_named_for_the_chart_in_order(folder: Path) -> None:
    packed = pack(folder)

    assert ["app/Chart.yaml", "app/templates/a.yaml", "app/templates/b.yaml", "app/values.yaml"] == names(
        packed.archive
    )
    assert ("app", "1.2.3", "An app") == (packed.name, packed.version, packed.description)


def test_entries_say_nothing_of_who_packed_them_and_when(folder: Path) -> None:
    for member in members(pack(folder).archive):
        assert (0, 0, 0, "", "", 0o644) == (
            member.mtime,
            member.uid,
            member.gid,
            member.uname,
            member.gname,
            member.mode,
        )
    assert bytes(4) == pack(folder).archive[4:8]  # gzip's own time


def test_the_same_bytes_wherever_whenever_and_in_whatever_order(folder: Path, tmp_path: Path) -> None:
    before = pack(folder)
    other = written(tmp_path / "elsewhere", dict(reversed(FILES.items())))
    os.utime(other / "values.yaml", (1, 1))
    (other / "templates" / "a.yaml").chmod(0o600)

    assert before == pack(folder) == pack(other)
    assert before.digest == load_chart(other).digest


def test_other_content_is_another_digest(folder: Path) -> None:
    before = pack(folder).digest
    (folder / "values.yaml").write_text("a: 2\n")

    assert before != pack(folder).digest


def test_what_helmignore_names_stays_out(folder: Path) -> None:
    more = {
        ".helmignore": "# ours\n*.md\n/ci/\n.*\n",
        "README.md": "",
        "docs/x.md": "",
        "ci/values.yaml": "",
        "docs/ci/v": "",
    }

    found = names(pack(written(folder, more)).archive)
    assert ["app/docs/ci/v"] == [name for name in found if "ci" in name or name.endswith(".md") or "/." in name]


def test_links_inside_are_followed_and_links_out_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "copy.yaml").symlink_to("values.yaml")
    assert "app/copy.yaml" in names(pack(folder).archive)

    secret = written(tmp_path, {"secret": "mine"}) / "secret"
    (folder / "stolen").symlink_to(secret)
    (folder / "templates" / "all").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "templates")
    (folder / "dangling").symlink_to(folder / "nowhere")
    with pytest.raises(Refused) as refused:
        pack(folder)

    assert [
        "The chart cannot be packed: 'dangling' is no file.",
        "The chart cannot be packed: 'loop' is a link to a folder.",
        "The chart cannot be packed: 'stolen' is a link that leads out of the chart's folder.",
        "The chart cannot be packed: 'templates/all' is a link that leads out of the chart's folder.",
    ] == [problem.message for problem in refused.value.details]


def test_an_ignored_link_is_nobodys_business(folder: Path) -> None:
    (folder / "node_modules").symlink_to("/")
    (folder / ".helmignore").write_text("node_modules\n")

    pack(folder)


@pytest.mark.parametrize(
    ("files", "part"),
    [
        ({}, "it has no Chart.yaml"),
        ({"Chart.yaml": "- no\n- mapping"}, "its Chart.yaml names no chart"),
        ({"Chart.yaml": "version: 1.0.0"}, "its Chart.yaml names no chart"),
        ({"Chart.yaml": "name: ../../etc"}, "its Chart.yaml names no chart"),
        ({"Chart.yaml": "name: ["}, "its Chart.yaml is not valid YAML"),
        ({"Chart.yaml": "name: app", ".helmignore": "a/**"}, "line 1 of its .helmignore, 'a/**', has a double star"),
        (
            {"Chart.yaml": "name: app", ".helmignore": "[b-a]"},
            "line 1 of its .helmignore, '[b-a]', has a range that is none",
        ),
        ({"Chart.yaml": "name: app", ".helmignore": "[a--]"}, "'[a--]', has brackets that hold no letters and ranges"),
        ({"Chart.yaml": "name: app", ".helmignore": "\n[a"}, "line 2 of its .helmignore, '[a', has a [ without a ]"),
    ],
    ids=lambda each: str(each)[:50],
)
def test_a_folder_that_is_no_chart(tmp_path: Path, files: dict[str, str], part: str) -> None:
    tmp_path.joinpath("x").mkdir()
    with pytest.raises(Refused) as refused:
        load_chart(written(tmp_path / "x", files))

    assert "ChartCannotBePacked" == refused.value.code
    assert part in refused.value.message


def test_what_is_too_large_is_refused_before_it_is_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "LARGEST_ARCHIVE", 100)
    with pytest.raises(Refused, match="at most 100 are taken"):
        pack(folder)
    archive = folder.parent / "app.tgz"
    archive.write_bytes(bytes(101))
    with pytest.raises(Refused, match="at most 100 are taken"):
        load_chart(archive)
    monkeypatch.setattr(chart, "LARGEST_FILE", 3)
    with pytest.raises(Refused, match=r"'values\.yaml' has 5 bytes"):
        pack(folder)


def test_an_archive_is_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    packed = pack(folder)
    path = tmp_path / "app-1.2.3.tgz"
    path.write_bytes(packed.archive)

    assert packed == load_chart(path)


def archive_of(name: str, content: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content.encode()))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "no chart archive"),
        (b"PK\x03\x04", "no chart archive"),
        (gzip.compress(b"x" * 2000), "no chart archive"),
        (archive_of("app/values.yaml", ""), "no folder in it has a Chart.yaml"),
        (archive_of("app/Chart.yaml", "- x"), "no folder in it has a Chart.yaml"),
        (archive_of("app/Chart.yaml", "a: ["), "no chart archive"),
    ],
    ids=range(6),
)
def test_an_archive_that_is_none(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "x.tgz"
    path.write_bytes(content)
    with pytest.raises(Refused, match=part):
        load_chart(path)


@pytest.mark.parametrize(
    ("rule", "ignored", "kept"),
    [
        ("*.txt", ["a.txt", "d/a.txt"], ["a.txt.b", "txt"]),
        ("/a.txt", ["a.txt"], ["d/a.txt"]),
        ("d/a.txt", ["d/a.txt"], ["a.txt", "x/d/a.txt"]),
        ("d/*", ["d/a", "d/x/"], ["d/x/a", "d/"]),
        ("cargo/", ["cargo/", "x/cargo/"], ["cargo"]),
        ("/cargo/", ["cargo/"], ["x/cargo/"]),
        ("a[b-d].yaml", ["ab.yaml", "x/ac.yaml"], ["ae.yaml", "a[b-d].yaml"]),
        ("[&&|~[x]", ["&", "~", "[", "x"], ["a", "&&"]),
        ("a[^b].yaml", ["ac.yaml"], ["ab.yaml"]),
        ("?x", ["ax", ".x"], ["x", "abx"]),
        (r"\*", ["*"], ["a"]),
        ("!*.yaml", ["a.txt", "d/"], ["a.yaml"]),
        ("!keep/", ["a.txt", "d/"], ["keep/"]),
        ("a+b(c)", ["a+b(c)"], ["aab(c)"]),
        ("# *", [], ["# x", "x"]),
        ("   ", [], ["x"]),
        ("", ["templates/.x"], ["templates/.", ".x", "x/templates/.x", "templates/x"]),
    ],
)
def test_rules(rule: str, ignored: list[str], kept: list[str]) -> None:
    problems = Problems()
    rules = read_rules(rule, problems)

    found = [path for path in (*ignored, *kept) if rules.ignores(path.rstrip("/"), is_folder=path.endswith("/"))]
    assert (ignored, []) == (found, problems.found)


@CALM
@given(some.text(alphabet="ab/.*?[]-^!\\ ", max_size=12), some.text(alphabet="ab/.*[]\\", min_size=1, max_size=12))
def test_no_rule_fails_otherwise_than_in_words(rule: str, path: str) -> None:
    read_rules(rule, Problems()).ignores(path, is_folder=False)

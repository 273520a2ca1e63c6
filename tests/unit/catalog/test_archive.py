"""What may be published, and what every unfit archive is told."""

import gzip
import hashlib
import tarfile
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from extensa.base.errors import Problem
from extensa.catalog import archive as limits
from extensa.catalog.archive import ChartFacts, inspect
from extensa.catalog.model import Unsupported
from unit.catalog.catalog_samples import archive, chart_yaml, entry, tar

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
GOOD = archive()


def facts(content: bytes) -> ChartFacts:
    found = inspect(content)
    assert isinstance(found, ChartFacts), found
    return found


def problems(content: bytes) -> list[Problem]:
    found = inspect(content)
    assert isinstance(found, list), found
    assert found
    return found


def codes(content: bytes) -> list[str]:
    return [problem.code for problem in problems(content)]


def test_a_chart_gives_its_facts() -> None:
    content = archive(appVersion="7.1", description="A sample", kubeVersion=">=1.25.0-0")
    found = facts(content)

    assert ("sample", "1.0.0") == (found.metadata.name, found.metadata.version)
    assert ("7.1", "A sample", ">=1.25.0-0") == (
        found.metadata.app_version,
        found.metadata.description,
        found.metadata.kube_version,
    )
    assert "sha256:" + hashlib.sha256(content).hexdigest() == found.digest
    assert len(content) == found.size


@pytest.mark.parametrize(
    "fields",
    [
        {"type": None},
        {"version": "v1.15.0-rc.1+build"},
        {"appVersion": 2.1},
        {"annotations": {"category": "Database"}},
        {"annotations": None},
    ],
    ids=str,
)
def test_what_helm_takes_is_taken(fields: dict[str, object]) -> None:
    facts(archive(**fields))


def test_folders_and_several_gzip_members_are_fine() -> None:
    content = tar(
        entry("sample", type=tarfile.DIRTYPE),
        entry("sample/Chart.yaml", chart_yaml()),
        entry("sample/templates", type=tarfile.DIRTYPE),
    )

    facts(gzip.compress(content[:700]) + gzip.compress(content[700:]))


def test_what_a_chart_asks_for_is_read_from_its_annotations() -> None:
    matrix = "managedCluster:\n- unsupportedVersions: ['1.18..1.21', '>1.33', '1.30']\n  distributions: [aks]\n"
    annotations = {"extensa.dev/asks": " protectedKeys ", "extensa.dev/unsupported-kubernetes": matrix}
    metadata = facts(archive(annotations=annotations)).metadata

    assert ("protectedKeys",) == metadata.asks
    expected = Unsupported(distributions=["aks"], versions=["1.18..1.21", ">1.33", "1.30"])
    assert {"managedCluster": [expected]} == metadata.unsupported


@pytest.mark.parametrize(
    ("annotations", "part"),
    [
        ({"extensa.dev/asks": "protectedKeys, moon"}, "names 'moon'; known are protectedKeys"),
        ({"extensa.dev/unsupported-kubernetes": "1.21"}, "is no mapping"),
        ({"extensa.dev/unsupported-kubernetes": "{"}, "is no mapping"),
        ({"extensa.dev/unsupported-kubernetes": "aks: []"}, "must map connectedCluster,"),
        ({"extensa.dev/unsupported-kubernetes": "appliances: [1]"}, "must list {distributions, unsupportedVersions}"),
        ({"extensa.dev/unsupported-kubernetes": "appliances: [{unsupportedVersions: [new]}]"}, "has 'new'"),
    ],
)
def test_an_annotation_of_ours_is_checked(annotations: dict[str, str], part: str) -> None:
    (problem,) = problems(archive(annotations=annotations))

    assert "ChartMetadataInvalid" == problem.code
    assert part in problem.message


def test_every_fault_of_a_chart_yaml_is_told_at_once() -> None:
    found = problems(archive(apiVersion="v1", name="a/b", version="1.0", type="library"))

    assert ["ChartMetadataInvalid"] * 4 == [problem.code for problem in found]
    assert [
        "Chart.yaml: apiVersion must be v2, not 'v1'; Helm 2's v1 is not taken.",
        "Chart.yaml: name must be 1 to 250 letters, digits, '-', '_' and '.', not 'a/b'.",
        "Chart.yaml: version must be a semantic version such as 1.0.0, not '1.0'.",
        "Chart.yaml: type must be application, not 'library': only such a chart can be installed.",
    ] == [problem.message for problem in found]
    assert all("helm lint" in (problem.next_step or "") for problem in found)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"- a list", "is no mapping"),
        (b"", "is no mapping"),
        (b"name: [", "is not valid YAML"),
        (b"[" * 5000, "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"name: sample\n", "apiVersion must be v2, not nothing"),
        (b"# " + b"x" * 262144, "at most 262144 are taken"),
        (b"!!python/object/apply:os.getcwd []", "is not valid YAML"),
    ],
)
def test_a_chart_yaml_that_is_none(content: bytes, part: str) -> None:
    found = problems(gzip.compress(tar(entry("sample/Chart.yaml", content))))

    assert any(part in problem.message for problem in found)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "sample/../../x", "sample/./x", "sample//x", "..", "a\\b", "c:/x", "sample/\nx"]
)
def test_a_path_that_leaves_the_folder_is_refused(name: str) -> None:
    found = problems(archive(entry(name, b"x")))

    assert "ChartPathUnsafe" == found[0].code
    assert repr(name) in found[0].message


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, id="symbolic link"),
        pytest.param({"type": tarfile.LNKTYPE, "linkname": "sample/Chart.yaml"}, id="hard link"),
        pytest.param({"type": tarfile.CHRTYPE}, id="character device"),
        pytest.param({"type": tarfile.BLKTYPE}, id="block device"),
        pytest.param({"type": tarfile.FIFOTYPE}, id="pipe"),
    ],
)
def test_links_and_devices_are_refused(kind: dict[str, Any]) -> None:
    assert ["ChartEntryUnsupported"] == codes(archive(entry("sample/x", **kind)))


def test_a_link_in_place_of_the_chart_yaml_is_refused() -> None:
    linked = tar(entry("sample/Chart.yaml", type=tarfile.SYMTYPE, linkname="/etc/passwd"), entry("sample/values.yaml"))

    assert ["ChartEntryUnsupported", "ChartMetadataInvalid"] == codes(gzip.compress(linked))


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ([("sample/Chart.yaml", chart_yaml()), ("other/Chart.yaml", chart_yaml())], "it has other, sample."),
        ([("Chart.yaml", chart_yaml())], "it has Chart.yaml."),
        ([("sample/Chart.yaml", chart_yaml()), ("README", b"")], "it has README, sample."),
        ([], "it is empty."),
    ],
)
def test_anything_but_one_folder_is_refused(entries: list[tuple[str, bytes]], part: str) -> None:
    (problem,) = problems(gzip.compress(tar(*(entry(name, content) for name, content in entries))))

    assert "ChartLayoutInvalid" == problem.code
    assert part in problem.message


def test_a_folder_without_chart_yaml_is_refused() -> None:
    deeper = tar(entry("sample/values.yaml"), entry("sample/charts/a/Chart.yaml", chart_yaml()))

    assert "The folder sample has no Chart.yaml." == problems(gzip.compress(deeper))[0].message


def test_the_same_file_twice_is_refused() -> None:
    assert ["ChartLayoutInvalid"] == codes(archive(entry("sample/Chart.yaml", chart_yaml(version="2.0.0"))))


def test_dependencies_must_be_inside() -> None:
    needs = [
        {"name": name, "version": "1.x.x", "repository": "https://example.invalid"} for name in ("redis", "x", "common")
    ]
    inside = (entry("sample/charts/redis-1.2.3.tgz", b"-"), entry("sample/charts/x/Chart.yaml", chart_yaml(name="x")))
    (problem,) = problems(archive(*inside, dependencies=needs))

    assert "ChartDependencyMissing" == problem.code
    assert "'common'" in problem.message
    assert "helm dependency build" in (problem.next_step or "")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        pytest.param(b"", "has no body", id="nothing"),
        pytest.param(b"PK\x03\x04 a zip", "not a gzip file", id="something else"),
        pytest.param(gzip.compress(b"text" * 1000), "not a tar file", id="gzip of something else"),
        pytest.param(GOOD[:-20], "ends too early", id="cut off"),
        pytest.param(GOOD[:20], "ends too early", id="cut off at once"),
        pytest.param(GOOD[:-5] + b"\0" + GOOD[-4:], "not a gzip file", id="wrong checksum"),
        pytest.param(GOOD + b"trailing", "not a gzip file", id="something after the end"),
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, part: str) -> None:
    found = problems(content)

    assert ["ChartUnreadable"] == [problem.code for problem in found]
    assert part in found[0].message


def test_a_damaged_header_in_the_middle_is_no_end() -> None:
    whole = tar(entry("sample/Chart.yaml", chart_yaml()), entry("sample/values.yaml", b"a: 1"))
    damaged = bytearray(whole)
    damaged[1024 + 148] ^= 0xFF  # the checksum of the second header
    cut = whole[: 1024 + 300]  # in the middle of the second header

    for content in (bytes(damaged), cut):
        (problem,) = problems(gzip.compress(content))
        assert "The archive is damaged after its entry 1." == problem.message


def test_content_that_is_cut_off_is_refused() -> None:
    whole = tar(entry("sample/Chart.yaml", chart_yaml()), entry("sample/values.yaml", b"a" * 2000))

    assert ["ChartUnreadable"] == codes(gzip.compress(whole[:2048]))


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ["ChartTooLarge"] == codes(archive(entry("sample/large", b"0" * (limits.LARGEST_FILE + 1))))
    monkeypatch.setattr(limits, "LARGEST_ARCHIVE", len(GOOD) - 1)
    assert ["ChartTooLarge"] == codes(GOOD)


def test_a_bomb_is_given_up_at_the_limit() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(limits.LARGEST_CONTENT // 1024 // 1024 + 1))
    bomb += packer.flush()

    assert len(bomb) < 100_000
    (problem,) = problems(bomb)
    assert "ChartTooLarge" == problem.code
    assert "decompressed" in problem.message


def test_the_number_of_entries_is_bounded() -> None:
    many = (entry(f"sample/{number}") for number in range(limits.MOST_ENTRIES))

    assert ["ChartTooLarge"] == codes(archive(*many))


def test_no_more_complaints_than_a_person_reads() -> None:
    assert 20 == len(problems(archive(*(entry(f"/{number}") for number in range(500)))))


@CALM
@given(some.binary(max_size=2000))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    problems(content)


@CALM
@given(some.integers(0, len(GOOD) - 1), some.integers(1, 255))
def test_no_damage_does_more_than_be_refused(place: int, change: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place] ^= change

    inspect(bytes(damaged))


@CALM
@given(some.integers(0, 2559), some.integers(1, 255))
def test_no_damage_inside_does_more_than_be_refused(place: int, change: int) -> None:
    damaged = bytearray(gzip.decompress(GOOD))
    damaged[place] ^= change

    inspect(gzip.compress(bytes(damaged)))

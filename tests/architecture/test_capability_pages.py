"""What the capability pages say is what the code does: metrics, causes, api-versions, settings, roles, commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from extensa.base.clock import utc_now
from extensa.base.home import Home
from extensa.base.settings import manual
from extensa.clusters import settle
from extensa.clusters.settle import DEADLINE
from extensa.entry.server import Plan, assemble
from extensa.extensions import failures, settings
from extensa.extensions.admission import LONGEST_RELEASE
from extensa.extensions.model import State
from extensa.extensions.service import Extensions
from extensa.extensions.settle import MARGIN
from extensa.extensions.versions import KNOWN, shape_of
from extensa.extensions.versions.shape import Shape
from extensa.identity.grants import BUILT_IN
from extensa.link.cluster import NodePool
from extensa.localcluster import errors, recipe, releases
from extensa.localcluster.keys import RENEW_BEFORE
from extensa.localcluster.model import ClusterSpec
from extensa.localcluster.objects import nodes
from extensa.localcluster.stages import STORAGE_CLASSES
from extensa.store.sqlite import open_store
from unit.cli.test_cli_grammar import every_command

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAMES = ("extensions", "failure-policy", "history", "clusters", "identity", "observability", "troubleshooting")
PAGES = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in NAMES}


def section(page: str, title: str) -> str:
    """Return the text below a heading, down to the next of the same or a higher level."""
    text = PAGES[page]
    start = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert start is not None, f"{page}.md has no section {title!r}"
    end = re.search(rf"^#{{1,{len(start[1])}}} ", text[start.end() :], re.MULTILINE)
    return text[start.end() :][: end.start() if end else None]


def rows(page: str, title: str) -> list[list[str]]:
    """Return the cells of the tables below a heading, without heads and rules."""
    table = [line for line in section(page, title).splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]
    ruled = {place for place, row in enumerate(cells) if set(row[0]) == {"-"}}
    return [row for place, row in enumerate(cells) if place not in ruled and place + 1 not in ruled]


def words(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture
async def home(tmp_path: Path) -> Home:
    """A data folder as the first start of the real control plane leaves it, with what it then shows on /metrics."""
    made = Home(tmp_path / "home")
    store = await open_store(tmp_path / "pages.sqlite3")
    try:
        house = await assemble(
            store, Plan(made, "https://localhost:9443", "127.0.0.1", 9443, False, 600), clock=utc_now
        )
        transport = httpx2.ASGITransport(house.front.app)
        async with httpx2.AsyncClient(transport=transport, base_url="https://localhost:9443") as http:
            await http.get("/healthz")
            (made.path / "metrics").write_text((await http.get("/metrics")).text, encoding="utf-8")
    finally:
        await store.close()
    return made


def test_every_metric_is_told_and_no_other(home: Home) -> None:
    shown = dict(re.findall(r"^# TYPE (\S+) (\S+)$", (home.path / "metrics").read_text(), re.MULTILINE))
    told = {name: row[1] for row in rows("observability", "Metrics") for name in words(row[0])}

    assert shown == told


def test_every_cause_of_a_failed_cluster_is_told_and_no_other() -> None:
    drawn = re.findall(r"``(\w+)``", (errors.__doc__ or "").partition("Codes are few")[2])
    told = rows("troubleshooting", "Causes of a cluster that does not come up")

    assert sorted(drawn) == sorted(code for row in told for code in words(row[0]))


def test_the_causes_of_a_silent_host_are_words_of_its_code() -> None:
    table = rows("troubleshooting", "Causes of a cluster whose host does not answer")
    code = Path(settle.__file__).read_text(encoding="utf-8")

    assert sorted(set(re.findall(r'"(Host\w+)"', code))) == sorted(code for row in table for code in words(row[0]))


def test_every_api_version_is_told_with_its_differences() -> None:
    told = {row[0]: row[1] for row in rows("extensions", "api-versions")}
    assert list(KNOWN) == list(told)
    before: Shape | None = None
    for version in KNOWN:
        shape = shape_of(version)
        if before is not None:
            new = {
                "`plan`": shape.plan and not before.plan,
                "`currentVersion`": shape.current_version and not before.current_version,
                "only what was pinned": shape.version_is_the_pin and not before.version_is_the_pin,
                "refused": shape.refuses_pin_with_upgrades and not before.refuses_pin_with_upgrades,
                "`autoUpgradeMode`": shape.management and not before.management,
            }
            assert [] == [text for text, appears in new.items() if appears is not (text in told[version])]
            assert any(new.values()) is not (told[version] == "nothing")
        before = shape


def test_the_bounds_of_settings_and_names_are_those_of_the_code() -> None:
    text = section("extensions", "Settings")

    assert f"1 to {settings.LONGEST_KEY:,} printable characters" in text
    assert f"{settings.MOST_KEYS:,} in each map" in text
    assert f"at most {settings.LARGEST_TOTAL >> 10} KiB" in text
    assert f"at most {LONGEST_RELEASE} characters" in section("extensions", "Scope and namespaces")


def test_the_states_and_statuses_are_those_of_the_code() -> None:
    told = {word for row in rows("extensions", "States") for word in words(row[0])}
    busy = (State.CREATING, State.UPDATING, State.DELETING)

    assert {state.value for state in State} == told
    assert [] == [state for state in busy if f"`{failures.status_code(state)}`" not in PAGES["extensions"]]
    assert [] == [
        action for action in Extensions.spec.actions if action not in section("extensions", "What we add to Azure")
    ]


def test_the_times_are_those_of_the_code() -> None:
    assert (5, 10, 30) == (MARGIN.total_seconds() / 60, DEADLINE.total_seconds() / 60, RENEW_BEFORE.days)
    assert "five minutes longer" in section("extensions", "States")
    assert "has ten minutes" in section("clusters", "Life of a cluster")
    assert "thirty days before" in section("identity", "The certificate authority")


@pytest.mark.parametrize("page", NAMES)
def test_every_setting_a_page_names_is_one(page: str) -> None:
    known = {variable for variable, _, _ in manual()}

    assert set() == set(re.findall(r"\bEXTENSA_[A-Z_]+", PAGES[page])) - known


def test_where_programs_come_from_is_told_as_it_is() -> None:
    text = section("clusters", "The programs")
    pinned = recipe.read_recipe(machine="x86_64")
    named = [variable for variable, _, _ in manual()]
    chosen: Any = type("Chosen", (), dict.fromkeys(("kubernetes_releases", "etcd_releases", "helm_releases"), "BASE"))
    for program in ("kube-apiserver", "etcd", "helm"):
        file = releases.release_file(program, pinned, chosen)
        assert file is not None
        assert f"`{file.url}`" in text
    assert [] == [
        program for program in recipe.PACKAGES if program not in text.replace("KWOK", "kwok").replace("Helm", "helm")
    ]
    assert [] == [name for name in named if name.endswith(("_RELEASES", "_BINARIES")) and f"`{name}`" not in text]
    assert ".".join(map(str, pinned.go)) in text


def test_what_is_simulated_is_told_as_it_is() -> None:
    spec = ClusterSpec("u", "c", "g", "westeurope", (NodePool(name="p", count=4, os_type="Linux", mode="System"),))
    zones = {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes(spec, "1.37.1")}

    assert (3, 9) == (len(zones), len(STORAGE_CLASSES))
    assert "in three zones" in PAGES["clusters"]
    assert "AKS's nine storage classes" in PAGES["clusters"]


def test_every_role_is_told_with_its_id() -> None:
    assert {role.name: f"`{role.id}`" for role in BUILT_IN} == {
        row[0]: row[1] for row in rows("identity", "Who may do what")
    }


def test_every_key_and_credential_is_told(home: Home) -> None:
    told = {name for row in rows("identity", "Keys and credentials") for name in words(row[0])}
    there = {
        str(f.relative_to(home.path)) for folder in ("keys", "credentials") for f in (home.path / folder).iterdir()
    }

    assert set() == there - told
    assert {"keys/front-ca.pem", "keys/front.pem", "credentials/tokens.json"} == {
        name for name in told - there if name.startswith(("keys/", "credentials/"))
    }


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every ``extensa …`` in a console block, without what the shell does with it."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^\$ (?:[A-Z_]+=\S+ )*(extensa .*)$", block, re.MULTILINE):
            yield shlex.split(re.split(r" [|>] ", line)[0])


@pytest.mark.parametrize("page", NAMES)
def test_every_command_on_a_page_is_one_with_these_flags(page: str) -> None:
    known = dict(every_command())
    for line in commands(PAGES[page]):
        name = next(n for n in (" ".join(line[:3]), " ".join(line[:2])) if n in known)
        taken = {flag for param in known[name].params for flag in (*param.opts, *param.secondary_opts)}
        assert [] == [word for word in line if word.startswith("-") and word not in taken], " ".join(line)


@pytest.mark.parametrize("page", NAMES)
def test_every_place_a_page_points_to_is_there(page: str) -> None:
    for file, place in re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", PAGES[page]):
        text = (DOCS / file).read_text(encoding="utf-8") if file else PAGES[page]
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert place in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_snippet_for_the_sdk_is_python() -> None:
    snippet = PAGES["identity"].partition("$ cat snippet.py\n")[2].partition("\n$ ")[0]

    assert "begin_create" in snippet
    compile(snippet, "snippet.py", "exec")


def test_the_front_page_links_every_capability_page() -> None:
    front = (DOCS.parent / "README.md").read_text(encoding="utf-8")

    assert [] == [name for name in NAMES if f"(docs/{name}.md)" not in front]

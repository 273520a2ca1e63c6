"""The invariants themselves: each notices what it is there for, and lets pass what is well. No process is started."""

import base64
from dataclasses import replace
from pathlib import Path

from chaos import invariants
from chaos.driver import Wish
from chaos.invariants import Release
from extensa.helm.release import LABEL_ACT, LABEL_GENERATION, LABEL_UID, ReleaseStatus, Revision

WISH = Wish("one-2", "1.0.0", "canary-2")


def revision(version: int, status: ReleaseStatus, *, generation: int = 1, act: str = "a") -> Revision:
    labels = {LABEL_UID: "u", LABEL_GENERATION: str(generation), LABEL_ACT: act}
    return Revision(f"v{version}", version, status, labels)


WELL = Release([revision(1, ReleaseStatus.DEPLOYED)], {"mark": "one-2", "chart": "1.0.0"}, "canary-2")


def test_a_lost_write_is_noticed() -> None:
    assert [] == invariants.write_kept("one", WISH, WISH)
    assert 1 == len(invariants.write_kept("one", WISH, Wish("one-1")))
    assert 1 == len(invariants.write_kept("one", Wish(None), WISH))


def test_a_second_act_for_a_generation_is_noticed() -> None:
    superseded, deployed = revision(1, ReleaseStatus.SUPERSEDED), revision(2, ReleaseStatus.DEPLOYED, act="b")

    assert 1 == len(invariants.one_act("one", [superseded, deployed]))
    assert [] == invariants.one_act("one", [superseded, revision(2, ReleaseStatus.DEPLOYED, generation=2, act="b")])


def test_what_recovery_does_is_no_second_act() -> None:
    killed = revision(2, ReleaseStatus.PENDING_UPGRADE, generation=2, act="b")
    back, again = revision(3, ReleaseStatus.SUPERSEDED), revision(4, ReleaseStatus.DEPLOYED, generation=2, act="c")

    assert [] == invariants.one_act("one", [revision(1, ReleaseStatus.SUPERSEDED), killed, back, again])


def test_a_lock_is_noticed() -> None:
    assert [] == invariants.no_lock("one", WELL.revisions)
    for status in (ReleaseStatus.PENDING_INSTALL, ReleaseStatus.PENDING_ROLLBACK, ReleaseStatus.UNINSTALLING):
        assert 1 == len(invariants.no_lock("one", [*WELL.revisions, revision(2, status)]))


def test_another_end_than_the_desired_one_is_noticed_and_says_no_secret() -> None:
    assert [] == invariants.as_desired("one", WISH, "Succeeded", WELL)
    assert [] == invariants.as_desired("one", Wish(None), "Absent", Release())
    for state, release in (
        ("Failed", WELL),
        ("Succeeded", Release()),
        ("Succeeded", replace(WELL, settings={"mark": "one-1", "chart": "1.0.0"})),
        ("Succeeded", replace(WELL, secret="canary-1")),
        ("Succeeded", replace(WELL, revisions=[])),
        ("Absent", WELL),
    ):
        (words,) = invariants.as_desired("one", WISH, state, release)
        assert "canary" not in words
    assert 1 == len(invariants.as_desired("one", Wish(None), "Absent", WELL))


def test_a_secret_in_a_file_is_noticed_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "well").write_bytes(b"nothing")
    (tmp_path / "open").write_bytes(b"x canary-of-the-test y")
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + b"canary-of-the-test and more")
        (tmp_path / f"encoded-{offset}").write_bytes(encoded)

    found = invariants.no_secret(tmp_path, "canary-of-the-test")

    assert ["encoded-0", "encoded-1", "encoded-2", "open"] == [each.split(" ")[0] for each in found]

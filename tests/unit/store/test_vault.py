"""Envelopes: what opens them, what does not, and the life of the key file."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extensa.base.errors import ExtensaError
from extensa.store.vault import Vault, load_vault, rotate_vault

VAULT = Vault("k1", {"k1": bytes(range(32))})


def code_of(vault: Vault, envelope: str, bound_to: str = "/a") -> str:
    with pytest.raises(ExtensaError) as caught:
        vault.open(envelope, bound_to=bound_to)
    return caught.value.code


@given(st.binary(max_size=300), st.text(max_size=40).filter(lambda t: t.isprintable()))
def test_what_was_sealed_opens_for_its_owner(plaintext: bytes, owner: str) -> None:
    envelope = VAULT.seal(plaintext, bound_to=owner)

    assert plaintext == VAULT.open(envelope, bound_to=owner)
    assert envelope.isascii()


def test_nothing_of_the_text_shows() -> None:
    envelope = VAULT.seal(b"hunter2" * 10, bound_to="/a")

    assert "hunter2" not in envelope
    assert envelope != VAULT.seal(b"hunter2" * 10, bound_to="/a")
    assert "0001" not in repr(VAULT)


def test_another_owner_is_refused_in_words() -> None:
    envelope = VAULT.seal(b"secret", bound_to="/a")

    with pytest.raises(ExtensaError) as caught:
        VAULT.open(envelope, bound_to="/b")
    assert "SealBroken" == caught.value.code
    assert "/b" in caught.value.message
    assert caught.value.next_step
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("position", [3, 5, 30, 60, 100, -3])
def test_an_altered_envelope_is_refused(position: int) -> None:
    envelope = VAULT.seal(b"some secret of a certain length", bound_to="/a")
    other = "A" if envelope[position] != "A" else "B"
    altered = envelope[:position] + other + envelope[position:][1:]

    assert "SealBroken" == code_of(VAULT, altered)


@pytest.mark.parametrize("text", ["", "v1", "v1.k1", "v1.k1.", "v1.k1.AAAA", "v1.k1.!!", "v2.k1.AAAA", "v1.k1.é"])
def test_what_is_no_envelope_is_refused(text: str) -> None:
    assert "SealBroken" == code_of(VAULT, text)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ExtensaError, match="'k1'"):
        Vault("k2", {"k2": bytes(32)}).open(VAULT.seal(b"", bound_to="/a"), bound_to="/a")


class TestKeyFile:
    def test_it_is_made_once_for_the_owner_only(self, tmp_path: Path) -> None:
        folder = tmp_path / "keys"
        envelope = load_vault(folder).seal(b"x", bound_to="/a")

        assert b"x" == load_vault(folder).open(envelope, bound_to="/a")
        assert ["vault.json"] == [each.name for each in folder.iterdir()]
        assert 0o600 == stat.S_IMODE((folder / "vault.json").stat().st_mode)
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)

    def test_many_who_come_first_share_one_key(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            vaults = list(pool.map(lambda _: load_vault(tmp_path), range(8)))

        assert 1 == len({vault.active for vault in vaults})
        assert ["vault.json"] == [each.name for each in tmp_path.iterdir()]

    def test_a_rotated_vault_still_opens_what_is_old(self, tmp_path: Path) -> None:
        before = load_vault(tmp_path)
        old = before.seal(b"old", bound_to="/a")
        after = rotate_vault(tmp_path)
        new = after.seal(b"new", bound_to="/a")

        assert before.active != after.active
        assert (b"old", b"new") == tuple(load_vault(tmp_path).open(each, bound_to="/a") for each in (old, new))
        assert "SealBroken" == code_of(before, new)

    def test_a_file_that_others_may_read_is_refused(self, tmp_path: Path) -> None:
        load_vault(tmp_path)
        (tmp_path / "vault.json").chmod(0o640)

        with pytest.raises(ExtensaError) as caught:
            load_vault(tmp_path)
        assert "VaultKeyExposed" == caught.value.code
        assert "chmod 600" in (caught.value.next_step or "")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b'{"active":"a","keys":{}}',
            b'{"active":"a","keys":{"a":"c2VjcmV0"}}',
            b'{"active":"a","keys":{"a":"secret!!x"}}',
        ],
    )
    def test_a_damaged_file_is_refused_and_left_alone(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "vault.json"
        path.write_bytes(content)
        path.chmod(0o600)

        with pytest.raises(ExtensaError) as caught:
            load_vault(tmp_path)
        assert "VaultKeyDamaged" == caught.value.code
        assert "secret" not in str(caught.value)
        assert content == path.read_bytes()

    def test_the_file_holds_every_key_under_its_id(self, tmp_path: Path) -> None:
        first = load_vault(tmp_path).active
        second = rotate_vault(tmp_path).active
        kept = msgspec.json.decode((tmp_path / "vault.json").read_bytes())

        assert second == kept["active"]
        assert {first, second} == set(kept["keys"])

"""Settings: what can be read is read, what cannot is refused in words that name the variable."""

from pathlib import Path

import pytest

from extensa.base.errors import ExtensaError
from extensa.base.settings import Settings, load_settings


@pytest.mark.parametrize("listen", ["", "9443", ":9443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "::1:²", "x:-1"])
def test_an_address_without_a_port_or_the_reverse_is_refused(listen: str) -> None:
    with pytest.raises(ValueError, match="EXTENSA_LISTEN must be ADDRESS:PORT"):
        _ = Settings(listen=listen).host_and_port


@pytest.mark.parametrize("port", ["0", "65536", "99999", "9" * 5000])
def test_a_port_that_there_is_not_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match="must be from 1 to 65535"):
        _ = Settings(listen=f"127.0.0.1:{port}").host_and_port


def test_addresses_of_both_kinds_are_read() -> None:
    assert ("127.0.0.1", 9443) == Settings().host_and_port
    assert ("::1", 65535) == Settings(listen="[::1]:65535").host_and_port


def test_where_things_lie_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    assert tmp_path / "me/.local/share/extensa" == load_settings({}).home_path
    assert tmp_path / "me/.cache/extensa" == load_settings({}).cache_path
    assert tmp_path / "me/data" == load_settings({"EXTENSA_HOME": "~/data"}).home_path
    (tmp_path / ".extensa").mkdir()
    assert tmp_path / ".extensa" == load_settings({"EXTENSA_HOME": ""}).home_path


def test_somebody_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExtensaError) as told:
        _ = load_settings({"EXTENSA_HOME": "~nobody-of-this-name/data"}).home_path

    assert ("HomeUnknown", "EXTENSA_HOME") == (told.value.code, told.value.target)
    assert "EXTENSA_HOME=" in (told.value.next_step or "")

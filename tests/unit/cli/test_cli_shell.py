"""What a shell is told: quoted, extending what it had, and enough for az to need no login."""

import configparser
import json
import shlex
import subprocess
from pathlib import Path

import pytest

from extensa.base.errors import Refused
from extensa.base.home import Home, write_file
from extensa.cli.azure_config import contents, prepare
from extensa.cli.env import ca_bundle
from extensa.cli.kubeconfig import merge_into, merged_config
from extensa.cli.shell import command, exports, lines
from extensa.client.token import Credential
from unit.cli.conftest import Shell
from unit.client.test_client_token import keep_owner

CREDENTIAL = Credential("https://localhost:9443", "https://localhost:9443", "tenant", "client", "it's $secret", "sub")


def test_the_lines_survive_a_shell_whatever_the_values(tmp_path: Path) -> None:
    home = Home(tmp_path / "with space & 'quotes'")
    told = exports(CREDENTIAL, home, {"PATH": "/usr/bin:/bin"}, ca_bundle=home.ca_bundle)
    script = lines(told) + 'printf "%s\\0" "$AZURE_CLIENT_SECRET" "$EXTENSA_HOME" "$PATH"'
    done = subprocess.run(["/bin/sh", "-euc", script], capture_output=True, check=True, text=True)

    assert ["it's $secret", str(home.path), f"{home.bin}:/usr/bin:/bin", ""] == done.stdout.split("\0")


def test_every_variable_a_client_needs_is_there(tmp_path: Path) -> None:
    home = Home(tmp_path)
    told = exports(CREDENTIAL, home, {}, ca_bundle=home.ca_bundle)

    assert [
        "EXTENSA_ARM",
        "EXTENSA_HOME",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_AUTHORITY_HOST",
        "AZURE_CONFIG_DIR",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "KUBECONFIG",
        "PATH",
    ] == list(told)
    assert "tenant" == told["AZURE_TENANT_ID"]
    assert "adfs" == exports(CREDENTIAL, home, {}, ca_bundle=home.ca_bundle, sdk=True)["AZURE_TENANT_ID"]


def test_the_path_is_not_lengthened_twice_and_a_proxy_is_told_to_keep_out(tmp_path: Path) -> None:
    home = Home(tmp_path)
    environ = {"PATH": f"/a:{home.bin}:/b", "https_proxy": "http://p", "NO_PROXY": "corp,localhost"}
    told = exports(CREDENTIAL, home, environ, ca_bundle=home.ca_bundle)

    assert f"{home.bin}:/a:/b" == told["PATH"]
    assert "corp,localhost,127.0.0.1" == told["NO_PROXY"]


@pytest.mark.parametrize(
    ("on_path", "found_without", "cwd", "expected"),
    [
        (True, "/h", "/c", "extensa"),
        (False, "/h", "/c", ".venv/bin/extensa"),
        (False, "/h", "/elsewhere", "/c/.venv/bin/extensa"),
        (True, "/other", "/c", "EXTENSA_HOME=/h extensa"),
    ],
)
def test_a_command_is_typed_as_short_as_it_works(on_path: bool, found_without: str, cwd: str, expected: str) -> None:
    program = Path("/c/.venv/bin/extensa")

    assert expected == command(
        program, Home(Path("/h")), cwd=Path(cwd), found_without=Path(found_without), on_path=on_path
    )


def test_a_bundle_the_shell_had_is_extended_not_replaced(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    write_file(home.ca_certificate, b"OURS\n")
    write_file(home.ca_bundle, b"SYSTEM\nOURS\n")
    corporate = tmp_path / "corporate.pem"
    assert None is ca_bundle(Home(tmp_path / "plain"), str(corporate))
    corporate.write_bytes(b"CORPORATE")

    assert home.ca_bundle == ca_bundle(home, "")
    assert home.ca_bundle == ca_bundle(home, str(home.ca_bundle))
    assert home.ca_bundle == ca_bundle(home, str(tmp_path / "absent.pem"))
    assert home.shell_ca_bundle == ca_bundle(home, str(corporate))
    assert b"CORPORATE\nOURS\n" == home.shell_ca_bundle.read_bytes()
    assert home.shell_ca_bundle == ca_bundle(home, str(home.shell_ca_bundle))
    assert b"CORPORATE\nOURS\n" == home.shell_ca_bundle.read_bytes()
    write_file(home.ca_certificate, b"ANEW\n")
    assert home.shell_ca_bundle == ca_bundle(home, str(home.shell_ca_bundle))
    assert b"CORPORATE\nOURS\nANEW\n" == home.shell_ca_bundle.read_bytes()
    write_file(home.ca_bundle, b"CORPORATE\nANEW\n")
    assert home.ca_bundle == ca_bundle(home, str(corporate))


def test_az_finds_a_cloud_a_subscription_and_a_secret() -> None:
    files = contents(CREDENTIAL)
    clouds, config = configparser.ConfigParser(interpolation=None), configparser.ConfigParser()
    clouds.read_string(files["clouds.config"])
    config.read_string(files["config"])
    name = config["cloud"]["name"]
    (subscription,) = json.loads(files["azureProfile.json"])["subscriptions"]
    (secret,) = json.loads(files["service_principal_entries.json"])

    assert CREDENTIAL.endpoint == clouds[name]["endpoint_resource_manager"]
    assert "false" == config["core"]["instance_discovery"]
    assert (name, "sub", "Enabled", True) == (
        subscription["environmentName"],
        subscription["id"],
        subscription["state"],
        subscription["isDefault"],
    )
    assert {"client_id": "client", "tenant": "tenant", "client_secret": "it's $secret"} == secret


def test_azs_folder_is_private_and_its_own_notes_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "azure"
    prepare(folder, CREDENTIAL)
    profile = folder / "azureProfile.json"
    noted = json.loads(profile.read_text()) | {"installationId": "az's own"}
    profile.write_text(json.dumps(noted))
    (folder / "msal_token_cache.json").write_text("{}")
    prepare(folder, CREDENTIAL)

    assert noted == json.loads(profile.read_text())
    assert (folder / "msal_token_cache.json").exists()
    assert (0o700, 0o600) == (folder.stat().st_mode & 0o777, (folder / "config").stat().st_mode & 0o777)
    prepare(folder, Credential("https://localhost:1", "https://localhost:1", "t", "c", "s", "sub"))
    assert not (folder / "msal_token_cache.json").exists()
    assert "https://localhost:1" in (folder / "clouds.config").read_text()


def test_env_prints_nothing_but_lines_for_eval(shell: Shell, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    early = shell("env")
    assert (1, "") == (early.code, early.out)
    assert "(NotSetUp)" in early.err
    keep_owner(home, "https://localhost:9443")
    told = shell("env")

    assert 0 == told.code
    assert all(shlex.split(line)[0] == "export" for line in told.out.splitlines())
    assert (home.azure_config / "clouds.config").is_file()
    assert "export AZURE_TENANT_ID=adfs\n" in shell("env", "--sdk").out


def test_a_cluster_is_merged_beside_others(tmp_path: Path) -> None:
    def config(name: str, server: str) -> dict[str, object]:
        return {
            "clusters": [{"name": name, "cluster": {"server": server}}],
            "users": [{"name": f"u-{name}", "user": {}}],
            "contexts": [{"name": name, "context": {}}],
            "current-context": name,
        }

    both = merged_config(merged_config({"preferences": {"x": 1}}, config("a", "1")), config("b", "2"))
    assert ["a", "b"] == [c["name"] for c in both["clusters"]]
    assert ("b", {"x": 1}, "Config") == (both["current-context"], both["preferences"], both["kind"])
    again = merged_config(both, config("a", "3"))
    assert ["2", "3"] == [c["cluster"]["server"] for c in again["clusters"]]

    target = tmp_path / "sub" / "config"
    assert "a" == merge_into(target, json.dumps(config("a", "1")).encode())
    assert 0o600 == target.stat().st_mode & 0o777
    before = target.stat().st_ino
    assert "a" == merge_into(target, json.dumps(config("a", "1")).encode())
    assert before == target.stat().st_ino


@pytest.mark.parametrize("content", ["- a\n- list\n", "a: [", "just text"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(tmp_path: Path, content: str) -> None:
    target = tmp_path / "config"
    target.write_text(content)
    with pytest.raises(Refused) as told:
        merge_into(target, b"{}")

    assert "KubeconfigUnreadable" == told.value.code
    assert content == target.read_text()

"""How programs are started: the arguments that matter are there, and nothing secret stands in one."""

from pathlib import Path

import pytest

from extensa.localcluster import commands
from extensa.localcluster.commands import Command, api_server, components, controller_manager, etcd, kwok, scheduler
from extensa.localcluster.layout import Layout
from extensa.localcluster.model import Binaries, Profile

BINARIES = Binaries(Path("/programs"), "1.37.1", Path("/programs/stages"))
LAYOUT = Layout(Path("/data/u"))
ISSUERS = ["https://127.0.0.1:6443", "https://127.0.0.1:5443"]
EVERY = [
    etcd(BINARIES, LAYOUT),
    api_server(BINARIES, LAYOUT, port=6443, issuers=ISSUERS),
    controller_manager(BINARIES, LAYOUT),
    scheduler(BINARIES, LAYOUT),
    kwok(BINARIES, LAYOUT),
]


def flags(command: Command, name: str) -> list[str]:
    return [each.partition("=")[2] for each in command.argv if each.startswith(f"--{name}=")]


def test_etcd_is_reached_through_a_socket_file_only() -> None:
    listening = [each for each in EVERY[0].argv if "url" in each or "cluster=" in each]
    assert listening
    assert all("unix://" in each and "http" not in each for each in listening)
    assert flags(EVERY[0], "listen-client-urls") == flags(EVERY[1], "etcd-servers")


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("bind-address", "127.0.0.1"),
        ("secure-port", "6443"),
        ("allow-privileged", "true"),
        ("authorization-mode", "Node,RBAC"),
        ("permit-port-sharing", "true"),
        ("disable-admission-plugins", "MutatingAdmissionWebhook,ValidatingAdmissionWebhook"),
        ("encryption-provider-config", "/data/u/pki/encryption.yaml"),
        ("egress-selector-config-file", "/data/u/config/egress.yaml"),
        ("service-account-jwks-uri", "https://127.0.0.1:6443/openid/v1/jwks"),
        ("service-cluster-ip-range", "10.0.0.0/16"),
    ],
)
def test_the_api_server_is_told_what_real_charts_need(flag: str, expected: str) -> None:
    assert [expected] == flags(EVERY[1], flag)


def test_tokens_of_earlier_issuers_are_still_believed() -> None:
    assert ISSUERS == flags(EVERY[1], "service-account-issuer")


def test_certificate_and_key_come_from_one_file() -> None:
    assert flags(EVERY[1], "tls-cert-file") == flags(EVERY[1], "tls-private-key-file")
    assert flags(EVERY[1], "proxy-client-cert-file") == flags(EVERY[1], "proxy-client-key-file")


@pytest.mark.parametrize("command", EVERY[2:4], ids=lambda each: each.name)
def test_controllers_and_scheduler_open_no_port_and_hold_no_election(command: Command) -> None:
    assert (["0"], ["false"]) == (flags(command, "secure-port"), flags(command, "leader-elect"))


def test_kwok_plays_only_the_nodes_that_are_marked() -> None:
    assert ["kwok.x-k8s.io/node=fake"] == flags(EVERY[4], "manage-nodes-with-annotation-selector")


@pytest.mark.parametrize("command", EVERY, ids=lambda each: each.name)
def test_every_program_has_a_bound_on_its_memory(command: Command) -> None:
    assert command.env["GOMEMLIMIT"].endswith("MiB")
    assert f"/programs/{command.name}" in (command.argv[0], command.argv[0].replace("server", "etcd"))


def test_the_light_profile_has_neither_scheduler_nor_kwok() -> None:
    assert ("etcd", "kube-apiserver", "kube-controller-manager") == components(Profile.LIGHT)
    assert [each.name for each in EVERY] == list(components(Profile.FULL))


def test_what_is_dialled_in_the_cluster_goes_to_our_socket() -> None:
    (selection,) = commands.egress_configuration()["egressSelections"]
    assert "cluster" == selection["name"]
    assert "egress.sock" == selection["connection"]["transport"]["uds"]["udsName"]
    assert Path("/r/egress.sock") in commands.sockets(Path("/r"))

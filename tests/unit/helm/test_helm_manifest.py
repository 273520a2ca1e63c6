"""Rendered manifests for people: nothing secret is left in them, everything else is."""

import yaml

from extensa.base.masking import masker
from extensa.helm.manifest import HIDDEN, hidden

SECRET = """
# Source: c/templates/s.yaml
apiVersion: v1
kind: Secret
metadata:
  name: s
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"data":{"a":"aGlkZGVu"}}', other: kept}
data: {a: aGlkZGVu}
stringData: {b: canary-plain}
"""
DATA = "data: {password: canary-protected, b64: Y2FuYXJ5LXByb3RlY3RlZA==}"
MAP = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\n{DATA}"


def test_a_secret_keeps_its_keys_and_loses_its_values() -> None:
    shown = hidden(f"{SECRET}---\n{MAP}", str)
    first, second = yaml.safe_load_all(shown)

    assert shown.startswith("# Source: c/templates/s.yaml\n")
    assert ({"a": HIDDEN}, {"b": HIDDEN}) == (first["data"], first["stringData"])
    assert {"other": "kept"} == first["metadata"]["annotations"]
    assert MAP == shown.rpartition("---\n")[2]
    assert "canary-protected" == second["data"]["password"]


def test_protected_values_are_hidden_wherever_they_stand() -> None:
    shown = hidden(MAP, masker(["canary-protected"]) or str)

    assert "data: {password: ********, b64: ********}" in shown


def test_secrets_in_lists_are_hidden_and_what_cannot_be_read_is_left_out() -> None:
    listed = (
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: canary}}"
    )
    broken = "kind: Secret\ndata: {a: canary\n"

    shown = hidden(f"{listed}\n---\n{broken}", str)
    assert "canary" not in shown
    assert "left out" in shown

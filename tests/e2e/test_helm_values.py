"""Settings reach a template as ``helm --set`` would have brought them: compared with the helm program itself."""

import re
from pathlib import Path

import pytest

from e2e.charts_made_here import pack
from extensa.base import processes
from extensa.helm.values import nest
from extensa.localcluster.model import Binaries

pytestmark = pytest.mark.cluster

TEMPLATE = """
json: {{ .Values | toJson }}
yaml: |
{{ .Values | toYaml | indent 2 }}
plain: {{ range $key, $value := .Values }}{{ $key }}={{ $value }};{{ end }}
"""
COMMA, ESCAPED = re.compile(r"([,{}])"), r"\\\1"


def by_hand(settings: dict[str, str]) -> list[str]:
    """The arguments a person would type: commas in a value escaped."""
    return [f"--set={key}={COMMA.sub(ESCAPED, value)}" for key, value in settings.items()]


@pytest.mark.parametrize(
    "settings",
    [
        {"a": "x", "b.c": "1", "b.d": "true"},
        {"a": "0", "b": "-5", "c": "007", "d": "1.5", "e": "null"},
        {"large": "10485760", "larger": "1000650000", "edge": "999999", "million": "1000000", "minus": "-2000000"},
        {"huge": "9007199254740993", "most": "9223372036854775807", "over": "9223372036854775808"},
        {"list[0]": "a", "list[1].b": "3000000", "list[1].c": "x"},
        {r"selector.kubernetes\.io/os": "linux", r"odd\.key[0].n": "7000000"},
        {"words": "a, b and c", "empty": "", "quoted": '"x"', "equals": "a=b"},
        {"gone": "null"},
    ],
)
async def test_a_template_sees_no_difference(settings: dict[str, str], binaries: Binaries, tmp_path: Path) -> None:
    chart = tmp_path / "c.tgz"
    chart.write_bytes(pack("c", {"t.txt": TEMPLATE, "t.yaml": TEMPLATE}))
    made = nest(settings, {}, {})

    async def rendered(*arguments: str, stdin: bytes = b"") -> str:
        argv = [str(binaries.helm), "template", "r", str(chart), *arguments, "--set=keep=me"]
        done = await processes.run(argv, stdin=stdin, timeout=30)
        assert done.code == 0, done.stderr.decode()
        return done.stdout.decode()

    ours = await rendered("-f", "-", *(f"--set={argument}" for argument in made.exact), stdin=made.document)

    assert await rendered(*by_hand(settings)) == ours

"""The manual's page of states says what the code does: it is made from the table, and a test holds it to that.

Run this file to write the page anew.
"""

from pathlib import Path

from extensa.helm.plan import TABLE, Choose
from extensa.helm.state import Name

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations" / "states.md"
BEGIN, END = "<!-- from the code: begin -->\n", "<!-- from the code: end -->\n"


def words(choose: Choose) -> str:
    return " ".join((choose.__doc__ or "").split())


def rendered() -> str:
    lines = [
        "| state | what it means | it should be there | it should not be there | on the way back after a failure |"
    ]
    lines.append("|---|---|---|---|---|")
    for name in Name:
        row = TABLE[name]
        cells = (f"`{name}`", name.meaning, words(row.present), words(row.absent), words(row.back))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_page_of_states_is_what_the_code_does() -> None:
    head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    table, tail = rest.split(END)

    assert rendered() == table
    assert head
    assert tail


def test_every_state_is_told_in_plain_words() -> None:
    for name in Name:
        row = TABLE[name]
        texts = (name.meaning, words(row.present), words(row.absent), words(row.back))
        assert all(text.endswith(".") and "kubectl" not in text for text in texts), name


if __name__ == "__main__":
    start, end = PAGE.read_text(encoding="utf-8").split(BEGIN)[0], PAGE.read_text(encoding="utf-8").split(END)[1]
    PAGE.write_text(start + BEGIN + rendered() + END + end, encoding="utf-8")

"""What a measurement says, and how a list of them is printed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what was measured, ours and the peer's figure in words, the ratio or figure, and what we aim at."""

    what: str
    ours: str
    peer: str
    found: float
    aim: float
    at_most: bool = True
    unit: str = "×"

    @property
    def met(self) -> bool:
        """Whether the aim is reached."""
        return self.found <= self.aim if self.at_most else self.found >= self.aim


def printed(rows: list[Row]) -> str:
    """Return the table as text, one line a row, with a verdict."""
    head = ("what", "ours", "peer", "found", "aim", "")
    body = [
        (
            row.what,
            row.ours,
            row.peer,
            f"{row.found:.2f} {row.unit}",
            f"{'≤' if row.at_most else '≥'} {row.aim:g} {row.unit}",
            "met" if row.met else "MISSED",
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *body)]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)

"""Foreign words are kept within bounds."""

from extensa.helm.errors import shortened


def test_of_long_words_the_end_is_kept() -> None:
    kept = shortened("x" * 10_000 + " why it stopped\n")

    assert kept.endswith("why it stopped")
    assert len(kept) < 4200

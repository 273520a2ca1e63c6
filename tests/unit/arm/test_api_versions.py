"""Which dates are api-versions, and which shape a date stands for."""

import pytest

from extensa.arm import api_versions
from extensa.base.errors import Refused

PREVIEWS = ("2022-01-15-preview", "2024-11-01-preview", "2026-04-01", "2026-05-01-preview")


@pytest.mark.parametrize(
    "text", ["2025-03-01\n", "\uff12\uff10\uff12\uff15-03-01", "2025-03-01-\u00e4", " 2025-03-01", "2025-3-1"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    """It would stand in a response's header as it came."""
    with pytest.raises(Refused, match="InvalidApiVersionParameter"):
        api_versions.require(text)


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("2022-01-15-preview", "2022-01-15-preview"),
        ("2025-03-01", "2024-11-01-preview"),
        ("2024-12-15-preview", "2024-11-01-preview"),
        ("2026-04-01", "2026-04-01"),
        ("2026-12-01", "2026-04-01"),
        ("2026-05-01-preview", "2026-05-01-preview"),
    ],
)
def test_a_date_is_the_newest_known_not_after_it(asked: str, spoken: str) -> None:
    assert spoken == api_versions.resolve(asked, PREVIEWS, resource_type="N/types")


def test_what_is_older_than_everything_is_refused() -> None:
    with pytest.raises(Refused, match="NoRegisteredProviderFound"):
        api_versions.resolve("2021-12-31", PREVIEWS, resource_type="N/types")

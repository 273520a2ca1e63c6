"""What a request's query may cost."""

import pytest

from extensa.base.errors import Refused
from extensa.edge import exchange
from extensa.edge.exchange import Exchange


async def nothing() -> dict[str, object]:
    return {}


def asking(query: bytes) -> Exchange:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": query}
    return Exchange(scope, nothing, headers={}, correlation_id="c", request_id="r")


def test_the_fields_of_a_query_are_read_in_any_case_and_the_last_one_wins() -> None:
    assert {"api-version": "2", "x": ""} == asking(b"api-Version=1&x=&API-VERSION=2").query


def test_a_query_of_very_many_fields_is_refused() -> None:
    with pytest.raises(Refused, match="InvalidQuery"):
        _ = asking(b"&".join(b"%x" % n for n in range(10_000))).query


def test_a_long_query_is_not_kept() -> None:
    """Anyone may ask a public route, so what is kept of it must be little."""
    before = exchange._kept_query.cache_info().currsize
    found = asking(b"x=" + b"y" * 50_000).query

    assert 50_000 == len(found["x"])
    assert before == exchange._kept_query.cache_info().currsize

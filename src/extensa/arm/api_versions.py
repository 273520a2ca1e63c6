"""api-versions: which dates a type answers to.

A date at or after the oldest known maps to the newest known shape not after it, so that next month's client works
today; older or malformed is refused in Azure's words (design §4).
"""

import re
from collections.abc import Sequence

from extensa.base.errors import Refused

_ADD = "Add ?api-version=DATE; GET /subscriptions/{subscriptionId}/providers lists those of every type."
_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(-[a-z0-9]+)*")


def require(query_value: str | None) -> str:
    """Return the api-version of a request, checked for form.

    Raises `Refused`: ``MissingApiVersionParameter`` when there is none, ``InvalidApiVersionParameter`` when malformed.
    """
    if not query_value:
        raise Refused(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
            target="api-version",
            next_step=_ADD,
        )
    version = query_value.casefold()
    if not _DATE.fullmatch(version):
        raise Refused(
            "InvalidApiVersionParameter",
            f"The api-version '{query_value}' is invalid. An api-version is a date such as '2025-03-01'.",
            target="api-version",
            next_step=_ADD,
        )
    return version


def resolve(version: str, known: Sequence[str], *, resource_type: str) -> str:
    """Return the newest of ``known`` that is not after ``version``: a preview only when named exactly, or where nothing
    else was known by then.

    Raises `Refused` (``NoRegisteredProviderFound``) when ``version`` is older than everything known.
    """
    if version in known:
        return version
    date = version[:10]
    earlier = [v for v in known if v[:10] <= date]
    usable = [v for v in earlier if len(v) == 10] or earlier
    if not usable:
        namespace, _, kind = resource_type.partition("/")
        raise Refused(
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}' for type '{kind}' in namespace "
            f"'{namespace}'. The supported api-versions are '{', '.join(known)}'.",
            target="api-version",
            next_step=f"Ask with ?api-version={known[-1]}.",
        )
    return max(usable)

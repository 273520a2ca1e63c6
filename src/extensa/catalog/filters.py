"""The filters of the two lists: which types and versions a query lets through (contract §1.8).

Pure. What a filter says nothing of passes; words are compared without case. An unknown filter is passed over, as ARM
does.
"""

import re
from collections.abc import Iterable, Mapping

from extensa.base.errors import Refused
from extensa.catalog.model import DEFAULT_TRAIN, ExtensionType, PlanInfo, TypeVersion
from extensa.catalog.precedence import parse

_WHOLE = re.compile(r"[0-9]{1,9}\Z")


def types(found: Iterable[ExtensionType], query: Mapping[str, str]) -> list[ExtensionType]:
    """Return the types that pass ``query``."""
    cluster_type = query.get("clustertype")
    return [
        each
        for each in found
        if (not cluster_type or each.supports(cluster_type))
        and _of_plan(each, query)
        and _on_train(each, query.get("releasetrain"))
    ]


def versions(extension_type: ExtensionType, query: Mapping[str, str], *, every_train: bool) -> list[TypeVersion]:
    """Return the versions that pass ``query``, newest first.

    Without ``releaseTrain`` they are those of stable, or, with ``every_train``, all. Raises `Refused` for a
    ``majorVersion`` that is no number and a ``showLatest`` that is no boolean.
    """
    latest, major = _flag(query, "showlatest", "showLatest"), _number(query, "majorversion", "majorVersion")
    cluster_type = query.get("clustertype")
    if cluster_type and not extension_type.supports(cluster_type):
        return []
    train = query.get("releasetrain") or (None if every_train else DEFAULT_TRAIN)
    found = [
        each
        for each in extension_type.versions
        if (train is None or each.on(train))
        and (major is None or ((parsed := parse(each.version)) is not None and parsed.major == major))
    ]
    return found[:1] if latest else found


def _of_plan(extension_type: ExtensionType, query: Mapping[str, str]) -> bool:
    plan = extension_type.plan or PlanInfo()
    return (
        _says(query.get("publisherid"), plan.publisher_id or extension_type.publisher)
        and _says(query.get("offerid"), plan.offer_id)
        and _says(query.get("planid"), plan.plan_id)
    )


def _says(wanted: str | None, found: str | None) -> bool:
    return not wanted or wanted.casefold() == (found or "").casefold()


def _on_train(extension_type: ExtensionType, train: str | None) -> bool:
    return not train or train.casefold() in extension_type.trains


def _flag(query: Mapping[str, str], key: str, spelled: str) -> bool:
    text = query.get(key, "").casefold()
    if text not in ("", "true", "false"):
        raise Refused("InvalidFilter", f"{spelled} must be true or false, not '{text}'.", target=spelled)
    return text == "true"


def _number(query: Mapping[str, str], key: str, spelled: str) -> int | None:
    text = query.get(key, "")
    if text and not _WHOLE.match(text):
        raise Refused("InvalidFilter", f"{spelled} must be a whole number, not '{text}'.", target=spelled)
    return int(text) if text else None

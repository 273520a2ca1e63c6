"""What a resource group may be, and every reason at once when it may not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from extensa.base.errors import Conflict, Refused
from extensa.resources.model import ResourceGroup, State
from extensa.resources.rules import Draft, decide_put, read_draft, read_patch
from unit.resources.widgets import CALLER, scope

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
REGIONS = ("westeurope", "eastus2")


def codes(body: Any, name: str = "rg") -> list[str]:
    with pytest.raises(Refused) as caught:
        read_draft(body, name=name, regions=REGIONS)
    return [each.code for each in caught.value.details] or [caught.value.code]


def made(**draft: Any) -> ResourceGroup:
    wanted = Draft(**({"location": "westeurope"} | draft))
    return decide_put(wanted, present=None, id=scope("/resourceGroups/Rg"), uid="u", caller=CALLER, now=NOW)


class TestReading:
    @pytest.mark.parametrize("name", ["a", "A-b_c.d(e)", "grüße", "x" * 90, "-", "1"])
    def test_names_that_azure_takes(self, name: str) -> None:
        assert Draft(location="westeurope") == read_draft({"location": "West Europe"}, name=name, regions=REGIONS)

    @pytest.mark.parametrize("name", ["a.", ".", "a b", "a/b", "x" * 91, "rg!", "a\n"])
    def test_names_that_azure_refuses(self, name: str) -> None:
        assert ["InvalidResourceGroup"] == codes({"location": "westeurope"}, name)

    def test_the_bad_characters_are_named(self) -> None:
        with pytest.raises(Refused, match="has these invalid characters: '! #'"):
            read_draft({"location": "westeurope"}, name="a! b#!", regions=REGIONS)

    @pytest.mark.parametrize("body", [None, [], "x", 1])
    def test_a_body_that_is_no_object(self, body: Any) -> None:
        assert ["InvalidRequestContent"] == codes(body)

    @pytest.mark.parametrize("location", [None, "", 7])
    def test_a_location_is_required(self, location: Any) -> None:
        assert ["LocationRequired"] == codes({"location": location})

    def test_an_unknown_location_is_refused_with_the_list(self) -> None:
        with pytest.raises(Refused, match="westeurope,eastus2") as caught:
            read_draft({"location": "Mars North"}, name="rg", regions=REGIONS)
        assert "LocationNotAvailableForResourceGroup" == caught.value.code

    @pytest.mark.parametrize(
        ("tags", "code"),
        [
            ([], "InvalidRequestContent"),
            ({"a": 1}, "InvalidRequestContent"),
            ({f"t{n}": "" for n in range(51)}, "InvalidTagCount"),
            ({"a": "1", "A": "2"}, "DuplicateTagNames"),
            ({"": "x"}, "InvalidTagName"),
            ({"a/b": "x"}, "InvalidTagName"),
            ({"n" * 513: "x"}, "InvalidTagName"),
            ({"a": "x" * 257}, "InvalidTagValueLength"),
        ],
    )
    def test_tags_that_azure_refuses(self, tags: Any, code: str) -> None:
        assert [code] == codes({"location": "eastus2", "tags": tags})

    def test_every_reason_at_once(self) -> None:
        body = {"location": "mars", "tags": {"a": 1}, "managedBy": 1}

        assert [
            "InvalidResourceGroup",
            "LocationNotAvailableForResourceGroup",
            "InvalidRequestContent",
            "InvalidRequestContent",
        ] == codes(body, "rg.")

    def test_a_patch_replaces_what_it_names_and_keeps_the_rest(self) -> None:
        present = made(tags={"a": "1", "b": "2"}, managed_by="/x")

        def patched(body: Any) -> Draft:
            return read_patch(body, present=present, regions=REGIONS)

        assert Draft(location="westeurope", tags={"a": "1", "b": "2"}, managed_by="/x") == patched({})
        assert {"c": "3"} == patched({"tags": {"c": "3"}}).tags
        assert patched({"tags": None}).tags is None
        with pytest.raises(Refused):
            patched([])


class TestDeciding:
    def test_a_new_group_keeps_its_spelling(self) -> None:
        group = made(tags={"a": "1"})

        assert ("Rg", State.SUCCEEDED, {"a": "1"}) == (group.name, group.state, group.tags)
        assert group.id.endswith("/resourceGroups/Rg")
        assert group.key == group.id.casefold()
        assert ("someone", NOW) == (group.system_data.created_by, group.system_data.modified_at)

    def test_a_later_put_keeps_identity_spelling_and_maker(self) -> None:
        before = made(tags={"a": "1"})
        later = datetime(2026, 11, 26, tzinfo=UTC)
        after = decide_put(
            Draft(location="westeurope"),
            present=before,
            id=scope("/resourceGroups/RG"),
            uid="other",
            caller=CALLER,
            now=later,
        )

        assert ("u", "Rg", None) == (after.uid, after.name, after.tags)
        assert (NOW, later) == (after.system_data.created_at, after.system_data.modified_at)

    def test_a_group_does_not_move(self) -> None:
        with pytest.raises(Conflict, match="already exists in location 'westeurope'") as caught:
            decide_put(
                Draft(location="eastus2"),
                present=made(),
                id=scope("/resourceGroups/Rg"),
                uid="u",
                caller=CALLER,
                now=NOW,
            )
        assert "InvalidResourceGroupLocation" == caught.value.code

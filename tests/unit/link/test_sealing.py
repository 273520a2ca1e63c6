"""A sealed box: opened by one key for one purpose, and by nothing else."""

import base64

import pytest
from msgspec.structs import replace

from extensa.base.errors import ExtensaError
from extensa.link.sealing import Sealed, new_private_key, public_key, seal, unseal

KEY = new_private_key()
BOX = seal(b"hush", recipient=public_key(KEY), purpose="uid")
SHORT = base64.b64encode(b"short").decode()


def test_the_holder_of_the_key_opens_it() -> None:
    assert b"hush" == unseal(BOX, private=KEY, purpose="uid")


def test_two_boxes_of_the_same_text_have_nothing_in_common() -> None:
    again = seal(b"hush", recipient=public_key(KEY), purpose="uid")

    assert BOX.ephemeral != again.ephemeral
    assert BOX.ciphertext != again.ciphertext


@pytest.mark.parametrize(
    ("box", "private", "purpose"),
    [
        (BOX, new_private_key(), "uid"),
        (BOX, KEY, "another"),
        (replace(BOX, ciphertext=base64.b64encode(bytes(32)).decode()), KEY, "uid"),
        (replace(BOX, ciphertext="no base64"), KEY, "uid"),
        (replace(BOX, ciphertext=""), KEY, "uid"),
        (replace(BOX, ephemeral=SHORT), KEY, "uid"),
        (replace(BOX, ephemeral=base64.b64encode(bytes(32)).decode()), KEY, "uid"),
        (replace(BOX, ephemeral="é"), KEY, "uid"),
        (replace(BOX, recipient="é"), KEY, "uid"),
        (Sealed(recipient="", ephemeral="", ciphertext=""), KEY, "uid"),
    ],
)
def test_anything_else_is_refused_in_one_word(box: Sealed, private: str, purpose: str) -> None:
    with pytest.raises(ExtensaError) as refusal:
        unseal(box, private=private, purpose=purpose)

    assert "SealBroken" == refusal.value.code

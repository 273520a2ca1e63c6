"""2023-05-01: ``version`` is only what the caller pinned, and a pin with automatic upgrades is refused."""

from dataclasses import replace

from extensa.extensions.versions import v2022_11_01

SHAPE = replace(v2022_11_01.SHAPE, api_version="2023-05-01", version_is_the_pin=True, refuses_pin_with_upgrades=True)

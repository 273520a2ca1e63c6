"""2022-07-01: as 2022-03-01."""

from dataclasses import replace

from extensa.extensions.versions import v2022_03_01

SHAPE = replace(v2022_03_01.SHAPE, api_version="2022-07-01")

"""2024-11-01: as 2023-05-01; the one that Terraform speaks."""

from dataclasses import replace

from extensa.extensions.versions import v2023_05_01

SHAPE = replace(v2023_05_01.SHAPE, api_version="2024-11-01")

"""2025-03-01: the upgrade mode, and the words for extensions that others manage."""

from dataclasses import replace

from extensa.extensions.versions import v2024_11_01

SHAPE = replace(v2024_11_01.SHAPE, api_version="2025-03-01", management=True)

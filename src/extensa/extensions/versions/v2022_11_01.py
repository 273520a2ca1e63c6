"""2022-11-01: ``plan``, ``currentVersion`` and ``isSystemExtension`` appear."""

from dataclasses import replace

from extensa.extensions.versions import v2022_07_01

SHAPE = replace(v2022_07_01.SHAPE, api_version="2022-11-01", plan=True, current_version=True)

"""The wire shapes of an extension: one small file per api-version, each saying only how it differs from its elder.

``reader`` turns JSON of any shape into a draft and ``renderer`` a model into JSON of any shape; both are written once
and led by the `Shape` of the api-version. Nothing here decides: what is asked for is judged in ``rules``.
"""

from extensa.extensions.versions import (
    v2022_03_01,
    v2022_07_01,
    v2022_11_01,
    v2023_05_01,
    v2024_11_01,
    v2025_03_01,
)
from extensa.extensions.versions.shape import Shape

_SHAPES: dict[str, Shape] = {
    shape.api_version: shape
    for shape in (
        v2022_03_01.SHAPE,
        v2022_07_01.SHAPE,
        v2022_11_01.SHAPE,
        v2023_05_01.SHAPE,
        v2024_11_01.SHAPE,
        v2025_03_01.SHAPE,
    )
}

KNOWN = tuple(_SHAPES)
"""The api-versions of extensions, from oldest to newest."""


def shape_of(api_version: str) -> Shape:
    """Return the shape of one of `KNOWN`; raises `KeyError` for any other."""
    return _SHAPES[api_version]

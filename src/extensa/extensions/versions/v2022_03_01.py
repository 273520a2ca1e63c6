"""2022-03-01: the oldest shape served: ``version`` shows what runs and there is no ``currentVersion`` yet."""

from extensa.extensions.versions.shape import Shape

SHAPE = Shape(api_version="2022-03-01")

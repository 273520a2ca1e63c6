"""What can differ between two api-versions of an extension, as plain facts.

A new api-version is a new file with a `Shape` made from its predecessor's; if a new kind of difference appears, it
becomes a field here with the old behaviour as its default.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """The facts that lead ``reader`` and ``renderer`` for one api-version."""

    api_version: str
    current_version: bool = False
    """``currentVersion`` and ``isSystemExtension`` are shown."""
    version_is_the_pin: bool = False
    """``version`` is null unless the caller pinned one; before, it shows the running version."""
    plan: bool = False
    """``plan`` is read and shown."""
    refuses_pin_with_upgrades: bool = False
    """A version together with automatic upgrades is refused; before, the version silently wins."""
    management: bool = False
    """``autoUpgradeMode``, ``managedBy``, ``managementDetails``, ``additionalDetails`` and ``extensionState``."""

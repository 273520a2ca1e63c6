"""Azure's public regions: short name, display name and where they lie.

A list rather than a query, because there is nobody to ask; a region that is missing here is refused by name when a
resource group names it, so it is easy to find and add. It knows nothing of what runs where.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

_REGIONS = {
    "Africa": ("South Africa North", "South Africa West"),
    "Asia Pacific": (
        "Australia Central",
        "Australia Central 2",
        "Australia East",
        "Australia Southeast",
        "Central India",
        "East Asia",
        "Indonesia Central",
        "Japan East",
        "Japan West",
        "Jio India Central",
        "Jio India West",
        "Korea Central",
        "Korea South",
        "Malaysia West",
        "New Zealand North",
        "South India",
        "Southeast Asia",
        "West India",
    ),
    "Canada": ("Canada Central", "Canada East"),
    "Europe": (
        "Austria East",
        "Belgium Central",
        "Denmark East",
        "France Central",
        "France South",
        "Germany North",
        "Germany West Central",
        "Italy North",
        "North Europe",
        "Norway East",
        "Norway West",
        "Poland Central",
        "Spain Central",
        "Sweden Central",
        "Switzerland North",
        "Switzerland West",
        "UK South",
        "UK West",
        "West Europe",
    ),
    "Mexico": ("Mexico Central",),
    "Middle East": ("Israel Central", "Qatar Central", "UAE Central", "UAE North"),
    "South America": ("Brazil South", "Brazil Southeast", "Chile Central"),
    "US": (
        "Central US",
        "Central US EUAP",
        "East US",
        "East US 2",
        "East US 2 EUAP",
        "North Central US",
        "South Central US",
        "West Central US",
        "West US",
        "West US 2",
        "West US 3",
    ),
}


class Region(NamedTuple):
    """One region: ``westeurope``, ``West Europe``, ``Europe``."""

    name: str
    display_name: str
    geography: str

    def rendered(self, subscription_id: str) -> dict[str, Any]:
        """Return the region as ``GET /subscriptions/S/locations`` words it."""
        return {
            "id": f"/subscriptions/{subscription_id}/locations/{self.name}",
            "name": self.name,
            "type": "Region",
            "displayName": self.display_name,
            "regionalDisplayName": f"({self.geography}) {self.display_name}",
            "metadata": {
                "regionType": "Physical",
                "regionCategory": "Other" if self.name.endswith("euap") else "Recommended",
                "geographyGroup": self.geography,
            },
        }


def normalised(location: str) -> str:
    """Return the short form of a location: ``westeurope`` of ``West Europe``."""
    return location.replace(" ", "").casefold()


REGIONS: Sequence[Region] = tuple(
    Region(normalised(display_name), display_name, geography)
    for geography, names in _REGIONS.items()
    for display_name in names
)
"""All regions, by geography."""
NAMES = tuple(region.name for region in REGIONS)
"""Their short names."""

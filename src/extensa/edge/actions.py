"""What a request needs a permission for, in the words of Azure's role definitions.

Here once, so that no handler words an action of its own; who holds the permission is for the identity room. Pure.
"""

_OTHER_WORDS = {"microsoft.resources/resourcegroups": "Microsoft.Resources/subscriptions/resourceGroups"}


def action(resource_type: str, verb: str) -> str:
    """Return the action that ``verb`` (``read``, ``write``, ``delete``, ``start/action``) on a type is.

    Azure's roles word one type differently from its ids: ``Microsoft.Resources/subscriptions/resourceGroups``.
    """
    return f"{_OTHER_WORDS.get(resource_type.casefold(), resource_type)}/{verb}"

"""Microsoft.Resources: subscriptions, resource groups, providers, operation records and the list of everything.

It is a room of its own because every type needs it and none owns it (decision 0002 in ``docs/decisions``). It knows
other types only through their `TypeSpec` and the `Gateway`; it names none.
"""

"""The Azure Resource Manager protocol as pure rules: ids, api-versions, errors, etags, operations, paging, systemData.

It is a room of its own because both sides of the wire need it (edge, services, client) and none of it does I/O.
It knows no resource type by name.
"""

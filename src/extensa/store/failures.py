"""What a database's error codes mean for a person: full, read-only, locked, corrupt, too new; each with a next step.

    StoreUnavailable       transient: the same call may succeed once the cause is gone
    ├── (StoreFull, StoreReadOnly, StoreLocked, StoreDamaged, StoreUnreachable, StoreFailing, StoreClosed: its codes)
    └── StoreUnusable      not transient: this program cannot use this database (StoreTooNew, StoreForeign)

Pure words: it takes a code's name and a path and knows no driver.
"""

from extensa.store.port import StoreUnavailable


class StoreUnusable(StoreUnavailable):
    """The database is there and this program cannot use it, however often it tries."""

    transient = False


def unavailable(name: str, detail: str, path: str) -> StoreUnavailable:
    """Return the error for SQLite's extended result code ``name`` (``SQLITE_FULL``, …) on the database at ``path``."""
    primary = "_".join(name.split("_")[:2])
    code, message, next_step = _WORDS.get(primary, _WORDS["SQLITE_IOERR"])
    return StoreUnavailable(code, f"{message.format(path=path)} ({detail}; {name})", target=path, next_step=next_step)


def closed(path: str) -> StoreUnavailable:
    """Return the error for a store that was closed."""
    return StoreUnavailable("StoreClosed", f"The database at {path} has been closed: the process is ending.")


def too_new(path: str, found: str, known: str) -> StoreUnusable:
    """Return the error for a database at schema ``found`` when this program knows no further than ``known``."""
    return StoreUnusable(
        "StoreTooNew",
        f"The database at {path} was written by a newer Extensa: its schema is '{found}', this program knows "
        f"schemas up to '{known}'.",
        target=path,
        next_step="Start the newer Extensa again, or put back the copy it left beside the database before it changed "
        "the schema (*.before-*).",
    )


def foreign(path: str) -> StoreUnusable:
    """Return the error for a file that is an SQLite database but none of ours."""
    return StoreUnusable(
        "StoreForeign",
        f"The database at {path} has tables, but was not made by Extensa.",
        target=path,
        next_step="Name another data folder with EXTENSA_HOME, or move that file away.",
    )


_DAMAGED = (
    "StoreDamaged",
    "The database at {path} is damaged or no SQLite database.",
    "Stop the server, keep the file for study, and put back the last good copy of the data folder.",
)
_READ_ONLY = (
    "StoreReadOnly",
    "The database at {path} cannot be written: the file or its folder is read-only.",
    "Make the data folder writable for the user that runs the server (chmod, chown, or remount it).",
)
_LOCKED = (
    "StoreLocked",
    "The database at {path} is locked by another process.",
    "End the other process that has it open (fuser shows which), then try again.",
)
_WORDS = {
    "SQLITE_FULL": (
        "StoreFull",
        "The database at {path} cannot grow: the disk or the quota is full.",
        "Free some space on that disk (df shows it); the server goes on by itself.",
    ),
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_CANTOPEN": (
        "StoreUnreachable",
        "The database at {path} cannot be opened.",
        "Check that its folder exists and that the user that runs the server may read and write it.",
    ),
    "SQLITE_IOERR": (
        "StoreFailing",
        "The database at {path} could not be read or written.",
        "Look at the disk (dmesg, df, quota) and at the server's log; then try again.",
    ),
}

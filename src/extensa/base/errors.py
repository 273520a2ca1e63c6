"""The family of errors, and the one question each answers: would trying again help?

    ExtensaError(code, message, target, next_step, details)   transient: bool
    ├── Refused          the caller asked for something we will not do; every reason at once   (400 unless said)
    ├── Unauthenticated  who is calling is not known                                            (401)
    ├── Forbidden        who is calling is known and may not                                    (403)
    ├── NotFound         what was named is not there                                            (404)
    ├── Conflict         what was asked collides with what is there now                         (409, 412)
    ├── Unavailable      something we depend on does not answer; trying again may help          (503, transient)
    ├── HelmError        the door to Helm          (helm/errors.py)
    ├── StoreError       the door to the database  (store/port.py)
    └── LinkError        the door between control plane and agents (agent/control.py)

Only ``edge/render.py`` turns these into HTTP and only ``cli/main.py`` into exit codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason, in ARM's words: ``code`` for programs, ``message`` for people, ``target`` for what is at fault.

    ``next_step`` says what the reader can do about it; it travels as ``additionalInfo`` on the wire.
    """

    code: str
    message: str
    target: str | None = None
    next_step: str | None = None


class ExtensaError(Exception):
    """Something went wrong in a way the product knows about.

    ``status`` is the HTTP status the ARM front answers with; ``transient`` says whether the same call may succeed
    later; ``details`` holds further problems when there is more than one.
    """

    status = 500
    transient = False

    def __init__(
        self,
        code: str,
        message: str,
        *,
        target: str | None = None,
        next_step: str | None = None,
        details: Sequence[Problem] = (),
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.target = target
        self.next_step = next_step
        self.details = tuple(details)
        if status is not None:
            self.status = status

    def __str__(self) -> str:
        return f"({self.code}) {self.message}"


class Refused(ExtensaError):
    """The request is wrong or not allowed by the rules; nothing was written."""

    status = 400

    @classmethod
    def because(cls, problems: Sequence[Problem], *, status: int = 400) -> "Refused":
        """Return one error that carries every problem: the first leads, all of them stand in ``details`` if several.

        Raises `ValueError` when there is no problem to speak of.
        """
        if not problems:
            raise ValueError("a refusal needs at least one problem")
        first = problems[0]
        if len(problems) == 1:
            return cls(first.code, first.message, target=first.target, next_step=first.next_step, status=status)
        message = f"{len(problems)} problems were found: " + " ".join(p.message for p in problems)
        return cls(first.code, message, target=first.target, details=problems, status=status)


class Unauthenticated(ExtensaError):
    """The caller did not prove who it is."""

    status = 401


class Forbidden(ExtensaError):
    """The caller is known and has no permission for this action at this scope."""

    status = 403


class NotFound(ExtensaError):
    """What the caller named does not exist."""

    status = 404


class Conflict(ExtensaError):
    """The request collides with the present state."""

    status = 409


class Unavailable(ExtensaError):
    """A part we depend on does not answer now."""

    status = 503
    transient = True


@dataclass(slots=True)
class Problems:
    """A basket for reasons, so that a decision can collect all of them before it refuses."""

    found: list[Problem] = field(default_factory=list)

    def add(self, code: str, message: str, *, target: str | None = None, next_step: str | None = None) -> None:
        """Put one more reason into the basket."""
        self.found.append(Problem(code, message, target, next_step))

    def refuse_if_any(self, *, status: int = 400) -> None:
        """Raise `Refused` with every reason collected so far; return quietly when there is none."""
        if self.found:
            raise Refused.because(self.found, status=status)

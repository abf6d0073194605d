"""The exceptions of the whole product, one short tree, named by who has to act.

EdgeproxyError
├── ConfigError          the operator: settings          exit 78
├── Failed               the operator: a command's work  exit 1
├── Refused              the caller of a listener        an HTTP status, a code and a sentence
│   ├── BadBatch         400 (or 413, 415, 422)
│   ├── Forbidden        403
│   ├── Conflict         409
│   ├── Unfit            422 with every fault of what was sent
│   └── StoreBusy        503 with Retry-After
└── CannotMap            nobody: the event becomes a dead letter with this reason

`edgeproxy.cli.main` turns them into exit statuses and `edgeproxy.web.problem` into HTTP answers;
no other place does. A message never repeats a secret or what a visitor sent.
"""

from collections.abc import Sequence


class EdgeproxyError(Exception):
    """Anything that this product says no to on purpose."""

    exit_status = 1


class ConfigError(EdgeproxyError):
    """Settings cannot be used; every fault at once.

    Args:
        faults: (setting, what is wrong and what would do) pairs, without secrets.
        where: What was read, for the headline ("shop.toml and the environment").
    """

    exit_status = 78

    def __init__(self, faults: Sequence[tuple[str, str]], where: str = "the configuration") -> None:
        self.faults = tuple(faults)
        self.where = where
        super().__init__(f"{where} has {len(self.faults)} fault(s)")

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[object, ...]]:
        return ConfigError, (self.faults, self.where)

    def __str__(self) -> str:
        count = len(self.faults)
        width = min(44, max((len(name) for name, _ in self.faults), default=0))
        verb = "have" if " and " in self.where else "has"
        lines = [f"{self.where} {verb} {'a fault' if count == 1 else f'{count} faults'}"]
        lines += [f"  {name:<{width}}  {text}" for name, text in self.faults]
        return "\n".join(lines)


class Failed(EdgeproxyError):
    """A command ran and did not reach its goal; the message says what and why."""


class Refused(EdgeproxyError):
    """A request that is answered with an error.

    Args:
        code: Machine-readable, snake_case, from the module that raises.
        message: A sentence a stranger can act on; never echoes input.
        status: HTTP status.
        retry_after_s: Sent as `Retry-After` when given.
    """

    status = 400

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.status = status if status is not None else type(self).status
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {message}")


class BadBatch(Refused):
    """The body is no usable batch."""

    status = 400


class Forbidden(Refused):
    """The caller may not do this."""

    status = 403


class Conflict(Refused):
    """What was asked for does not fit what is there now."""

    status = 409


class Unfit(Refused):
    """What was sent cannot be used; every fault at once.

    Args:
        faults: (field, what is wrong and what would do) pairs, without secrets.
    """

    status = 422

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        sentence = "; ".join(f"{field} {text}" if field else text for field, text in self.faults)
        super().__init__("unfit", sentence)


class StoreBusy(Refused):
    """Durability cannot be promised now; nothing was acknowledged."""

    status = 503

    def __init__(self, code: str, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(code, message, retry_after_s=retry_after_s)


class CannotMap(EdgeproxyError):
    """An accepted event that Snap would never take.

    Args:
        reason: One of `edgeproxy.outcome.DEAD_REASONS`.
        detail: A sentence for people, without personal data.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")

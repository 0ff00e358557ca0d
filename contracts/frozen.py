"""`@frozen`: an immutable value as a `msgspec.Struct`, which refuses an assignment at run time.

A frozen dataclass writes each field by `object.__setattr__`: eight times what a struct costs to build, and a record on
its way is some fifteen values. New classes derive from `msgspec.Struct` themselves, with `frozen=True`.
"""

from dataclasses import MISSING, Field, field
from typing import Any, TypeVar, dataclass_transform

import msgspec

T = TypeVar("T")

_PLAIN = {"__dict__", "__weakref__"}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[T] | None = None, *, kw_only: bool = True) -> Any:
    """A frozen struct with fields that are given by name; by place too with `kw_only=False`."""

    def made(plain: type[T]) -> type:
        if isinstance(plain, msgspec.StructMeta):
            return plain  # derived from one, and frozen as that is
        names = {name: _default(value) for name, value in vars(plain).items() if name not in _PLAIN}
        return msgspec.StructMeta(plain.__name__, (msgspec.Struct,), names, frozen=True, kw_only=kw_only)

    return made if cls is None else made(cls)


def _default(value: Any) -> Any:
    if not isinstance(value, Field):
        return value
    factory: Any = value.default_factory
    return msgspec.field(default=value.default) if factory is MISSING else msgspec.field(default_factory=factory)


def replace(value: T, **changes: Any) -> T:
    """The value with other fields. `msgspec.structs.replace`, for classes that the type checker knows by `@frozen`."""
    return msgspec.structs.replace(value, **changes)  # type: ignore[type-var]

"""`@frozen`: a value, as a class. Who assigns to a field of one is told by the type checker, and not at run time.

A dataclass that is frozen at run time writes each field by `object.__setattr__`: four times what a plain one costs, and
a record on its way is some fifteen values.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[T] | None = None, *, kw_only: bool = True) -> Any:
    """A dataclass with slots, a hash, and fields that are given by name; by place too with `kw_only=False`."""
    made = dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
    return made if cls is None else made(cls)

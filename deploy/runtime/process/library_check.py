"""Refuses to start on an aiohttp or aiokafka that was not tested, or whose private parts differ from what we use.

Every process makes this check before it imports its parts. aiohttp 3.14.3 drops a request that asks for an upgrade, and
an aiokafka that takes batches in another order would lose records: neither shows before there is traffic.
Each `*_internals.py` lists the private parts that its package uses, in `SHAPES`.
"""

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from stripeline.deploy.failure import FailureError

TESTED: Final[Mapping[str, tuple[str, ...]]] = {
    "aiohttp": ("3.14.4", "3.14.5"),
    "aiokafka": ("0.14.0",),
}
"""Oldest first. The ranges in `pyproject.toml` admit these and no others."""

INTERNALS: Final = (
    "stripeline.deploy.kafka_login.aiokafka_internals",
    "stripeline.deploy.operations.aiokafka_internals",
    "stripeline.ingest.kafka.aiokafka_internals",
    "stripeline.workers.kafka.aiokafka_internals",
    "stripeline.workers.kafka.aiokafka_topic_ids_internals",
)

Shape = str | tuple[str, ...]
"""A function's parameters, `property`, or the attributes that a constructor sets."""


class LibraryError(FailureError):
    """An installed library that we were not tested with: which, what was tested, and how to install that."""


def require_tested_libraries() -> None:
    """Raise LibraryError unless each library is a tested version with the private parts that we use."""
    problems = list(_version_problems()) or list(_shape_problems())
    if problems:
        raise LibraryError(" ".join(problems))


def _version_problems() -> Iterator[str]:
    for library, tested in TESTED.items():
        found = _installed(library)
        if found not in tested:
            span = tested[0] if len(tested) == 1 else f"{tested[0]} to {tested[-1]}"
            yield (
                f"{library} {found} is installed; Stripeline was tested with {span}, and another version may hang or"
                f" lose records. Run `pip install '{library}=={tested[-1]}'`."
            )


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "(none)"


def _shape_problems() -> Iterator[str]:
    for module in INTERNALS:
        shapes: Mapping[str, Shape] = import_module(module).SHAPES
        for name, needed in shapes.items():
            if (problem := _difference(name, needed)) is not None:
                library = name.partition(".")[0]
                yield (
                    f"{library} {_installed(library)} is a tested version, but {name} {problem}: the installation was"
                    f" changed. Run `pip install --force-reinstall '{library}=={TESTED[library][-1]}'`."
                )


def _difference(name: str, needed: Shape) -> str | None:
    """How a part differs from what is needed, None where it does not."""
    part = _part(name)
    if part is None:
        return "does not exist"
    if isinstance(needed, tuple):
        missing = [attribute for attribute in needed if attribute not in part.__code__.co_names]
        return f"does not set {', '.join(missing)}" if missing else None
    found = "property" if isinstance(part, property) else _parameters(part)
    return None if found == needed else f"is {found}, not {needed}"


def _part(name: str) -> Any:
    """What a dotted name stands for, None where nothing. Descriptors are not called."""
    words = name.split(".")
    for end in range(len(words) - 1, 0, -1):
        try:
            part: Any = import_module(".".join(words[:end]))
        except ImportError:
            continue
        for word in words[end:]:
            part = inspect.getattr_static(part, word, None)
        return part
    return None


def _parameters(part: Any) -> str:
    """A signature without annotations and defaults."""
    found = inspect.signature(part.__func__ if isinstance(part, classmethod | staticmethod) else part)
    bare = (
        one.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty)
        for one in found.parameters.values()
    )
    return str(found.replace(parameters=list(bare), return_annotation=inspect.Signature.empty))

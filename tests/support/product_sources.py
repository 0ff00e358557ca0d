"""The product's source, read once: every module by its path, and what each imports."""

import ast
import gc
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "ingest", "workers", "deploy")
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


@cache
def parsed(source: str) -> ast.Module:
    """A module's tree. Python 3.11.7 can't parse while it parses, and a collection in the middle may do that: it
    formats the traceback of what a finalizer raised (https://github.com/python/cpython/issues/106905)."""
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(parsed(source)))


@cache
def imports(path: str, source: str) -> frozenset[str]:
    """Every dotted name that a module imports, wherever in it, `from a import b` as `a.b`."""
    return frozenset(name for node in nodes(source) for name in _imported(path, node))


def _imported(path: str, node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            parents = ["stripeline", *path.split("/")[:-level]] if level else []
            base = ".".join([*parents, *([module] if module else [])])
            yield from (f"{base}.{alias.name}" for alias in names)
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            yield name


def of_package(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def file_of(name: str, files: Mapping[str, str]) -> str | None:
    """The product's file that an imported name belongs to."""
    parts = name.removeprefix("stripeline.").split(".")
    for end in range(len(parts), 0, -1):
        stem = "/".join(parts[:end])
        found = next((file for file in (f"{stem}.py", f"{stem}/__init__.py") if file in files), None)
        if found is not None:
            return found
    return None

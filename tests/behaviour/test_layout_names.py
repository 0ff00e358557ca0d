"""One name for one thing, no import circle, folders that fit on a screen, and test names that can be read.

Each rule is a function over all modules. It is held against the product, and against a bad example that it must refuse.
An exception stands in a table with its reason; one that is no longer needed is refused as well.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

import pytest

from tests.support.product_sources import ROOT, SOURCES, file_of, imports, nodes, parsed

Sources = Mapping[str, str]
Rule = Callable[[Sources], list[str]]

MAX_MODULES_IN_A_FOLDER = 20
MAX_TEST_NAME = 60
TESTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "tests").rglob("*.py"))
}

SHARED_MODULE_NAMES = {
    # A group of the command line has the name of what it acts on, as in `stripeline topics`.
    "dead_letters": ("deploy/cli/dead_letters.py", "workers/task/dead_letters.py"),
    "definitions": ("contracts/definitions.py", "deploy/cli/definitions.py"),
    "processes": ("deploy/cli/processes.py", "deploy/runtime/processes.py"),
    "runs": ("deploy/cli/runs.py", "workers/router/runs.py"),
    "settings": ("deploy/cli/settings.py", "deploy/settings/settings.py"),
    "trigger": ("deploy/cli/trigger.py", "ingest/trigger.py"),
    # Each package has its own file for a library's private parts, in deploy each folder whose work it is.
    "aiokafka_internals": (
        "deploy/kafka_login/aiokafka_internals.py",
        "deploy/operations/aiokafka_internals.py",
        "ingest/kafka/aiokafka_internals.py",
        "workers/kafka/aiokafka_internals.py",
    ),
    # The topic model, what holds it against a cluster, and its group.
    "topics": ("contracts/topics.py", "deploy/cli/topics.py", "deploy/operations/topics.py"),
}
"""Modules that share a name because they are about the same thing."""

NAMED_BY_SUBJECT = ("deploy/console/pages/", "deploy/console/index/queries/")
"""A page of the console has the name of what it shows, and so have its questions to the index."""

SHARED_CLASS_NAMES = {
    # Each file of an action has its own two models, so that a new one is a copy of another.
    "Input": ("workers/actions/",),
    "Output": ("workers/actions/",),
}
"""Class names that every file of a folder has."""


def circles(sources: Sources) -> list[str]:
    graph = {path: set(imported_files(path, sources)) for path in sources}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


def imported_files(path: str, sources: Sources) -> Iterator[str]:
    for name in imports(path, sources[path]):
        if name.startswith("stripeline.") and (found := file_of(name, sources)) not in {None, path}:
            yield str(found)


def module_names(sources: Sources) -> list[str]:
    places = defaultdict(list)
    for path in sources:
        name = PurePosixPath(path).stem
        if not name.startswith("__") and not path.startswith(NAMED_BY_SUBJECT):
            places[name].append(path)
    return [
        f"{len(paths)} modules are named {name}: {', '.join(paths)}"
        for name, paths in sorted(places.items())
        if len(paths) > 1 and not set(paths) <= set(SHARED_MODULE_NAMES.get(name, ()))
    ]


def class_names(sources: Sources) -> list[str]:
    places = defaultdict(list)
    for path, source in sources.items():
        for node in parsed(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                shared = SHARED_CLASS_NAMES.get(node.name, ())
                places[node.name].append(next((folder for folder in shared if path.startswith(folder)), path))
    return [
        f"{len(paths)} classes are named {name}: {', '.join(paths)}"
        for name, found in sorted(places.items())
        if len(paths := sorted(set(found))) > 1
    ]


def folder_sizes(sources: Sources) -> list[str]:
    counts = Counter(str(PurePosixPath(path).parent) for path in sources if not path.endswith("__init__.py"))
    return [f"{folder} has {count} modules" for folder, count in counts.items() if count > MAX_MODULES_IN_A_FOLDER]


def test_names(sources: Sources) -> list[str]:
    return [
        f"{path}: {name} has {len(name)} characters"
        for path, source in sources.items()
        for name in long_test_names(source)
    ]


def long_test_names(source: str) -> Iterable[str]:
    for node in nodes(source):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and node.name.startswith("test_") and len(node.name) > MAX_TEST_NAME:
            yield node.name


test_names.__test__ = False  # a rule, not a test
RULES: tuple[tuple[Rule, Sources], ...] = (
    (circles, SOURCES),
    (module_names, SOURCES),
    (class_names, SOURCES),
    (folder_sizes, SOURCES),
    (test_names, TESTS),
)


@pytest.mark.parametrize(("rule", "sources"), RULES, ids=lambda value: getattr(value, "__name__", ""))
def test_all_modules_keep_the_rule(rule, sources):
    assert rule(sources) == []


BAD = [
    (
        circles,
        {
            "deploy/a.py": "from stripeline.deploy.b import x",
            "deploy/b.py": "def f():\n    from stripeline.deploy import c",
            "deploy/c.py": "import stripeline.deploy.a",
        },
    ),
    (circles, {"ingest/a.py": "from . import b", "ingest/b.py": "from .a import x"}),
    (module_names, {"deploy/runtime/x.py": "", "ingest/x.py": ""}),
    (module_names, {"contracts/topics.py": "", "ingest/topics.py": ""}),
    (class_names, {"deploy/a.py": "class X: ...", "ingest/b.py": "class X(Y): ..."}),
    (class_names, {"workers/actions/a.py": "class Input: ...", "ingest/b.py": "class Input: ..."}),
    (folder_sizes, {f"deploy/cli/m{number}.py": "" for number in range(21)}),
    (test_names, {"tests/test_a.py": f"def test_{'x' * 56}(): ..."}),
    (test_names, {"tests/test_a.py": f"class TestA:\n    async def test_{'x' * 56}(self): ..."}),
]


@pytest.mark.parametrize(("rule", "sources"), BAD)
def test_the_rule_refuses_a_bad_example(rule, sources):
    assert len(rule(sources)) == 1


GOOD = [
    (circles, {"deploy/a.py": "from stripeline.deploy.b import x", "deploy/b.py": "import a"}),
    (module_names, {"deploy/a/__init__.py": "", "deploy/b/__init__.py": "", "deploy/c.py": ""}),
    (module_names, {"contracts/topics.py": "", "deploy/cli/topics.py": ""}),
    (class_names, {"deploy/a.py": "class _X: ...", "ingest/b.py": "class _X: ...\ndef f():\n    class X: ..."}),
    (class_names, {"workers/actions/a.py": "class Input: ...", "workers/actions/b.py": "class Input: ..."}),
    (folder_sizes, {f"deploy/cli/m{number}.py": "" for number in range(20)} | {"deploy/cli/__init__.py": ""}),
    (test_names, {"tests/test_a.py": f"def test_{'x' * 55}(): ...\ndef helper_{'x' * 90}(): ..."}),
]


@pytest.mark.parametrize(("rule", "sources"), GOOD)
def test_the_rule_lets_a_good_example_pass(rule, sources):
    assert rule(sources) == []


def test_the_exceptions_are_still_needed():
    modules = [path for paths in SHARED_MODULE_NAMES.values() for path in paths]
    assert [path for path in modules if path not in SOURCES] == []
    for name, folders in SHARED_CLASS_NAMES.items():
        assert all(
            sum(f"class {name}(" in SOURCES[path] for path in SOURCES if path.startswith(folder)) > 1
            for folder in folders
        )

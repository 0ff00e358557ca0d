"""Who may import what, who may read the environment, what is pure, and how long a module may be.

Each rule is a function over one module's source. It is held against every module of the product, and against a bad
example that it must refuse: a rule that can't fail holds nothing.
"""

import ast
import re
from collections.abc import Callable

import pytest

from tests.support.product_sources import PACKAGES, SOURCES, file_of, imports, nodes, of_package, parsed

Rule = Callable[[str, str], list[str]]

MAY_NOT_IMPORT = {
    "contracts": ("stripeline.ingest", "stripeline.workers", "stripeline.deploy"),
    "ingest": ("stripeline.workers", "stripeline.deploy"),
    "workers": ("stripeline.ingest", "stripeline.deploy"),
    "deploy": (),
}
NOBODY_IMPORTS = (
    "contracts", "ingest", "workers", "deploy",  # the package is `stripeline`: a second name would load a second copy
    "tests", "pytest", "hypothesis", "testcontainers",
    "stripe",  # judges us in tests; its event object alone costs 600 µs
    "confluent_kafka", "kafka",  # another team's clients
    "httpx", "requests", "urllib3", "urllib.request", "http.client",  # ours is workers/stripe/http_client
)  # fmt: skip
# Where a library may be imported: folders end with a slash. A new adapter in its folder needs no line here.
ADAPTERS = {
    "aiokafka": (
        "ingest/kafka/", "workers/kafka/",
        "deploy/operations/", "deploy/runtime/", "deploy/console/record_fetch.py", "deploy/console/index/",
        "deploy/console/overview/kafka_look.py", "deploy/console/overview/worker_watch.py",
        "deploy/local/demo/kafka_traffic.py",
        "deploy/kafka_login/",  # gives aiokafka the tokens that it asks for
        "deploy/stripe_side/sweeps/",
        "deploy/cli/terminal/failures.py",  # names Kafka's errors, to say what to do about them
    ),
    "aiohttp": (
        "ingest/http/",
        "deploy/kafka_login/",  # asks a token endpoint
        "deploy/console/console_app.py", "deploy/console/console_server.py", "deploy/console/live/live_stream.py",
        "deploy/console/auth/",
        "deploy/runtime/process/admin_server.py", "deploy/sandbox/http_server.py",
        "deploy/runtime/process_group/group_admin.py",
        "deploy/sandbox/webhook_deliveries.py", "deploy/local/webhook_sender.py",
    ),
    "jinja2": ("deploy/console/",),
    "sqlalchemy": ("deploy/console/",),
    "cramjam": ("workers/packed/",),
    "httptools": ("ingest/http/", "workers/stripe/"),
    "aiohappyeyeballs": ("workers/stripe/",),
    "opentelemetry": (
        "workers/spans.py",
        "deploy/telemetry/delivery_spans.py", "deploy/telemetry/tracer.py", "deploy/runtime/shared.py",
    ),
    "prometheus_client": (
        "deploy/runtime/process/admin_server.py", "deploy/runtime/shared.py", "deploy/telemetry/collector.py",
        "deploy/runtime/process_group/",
    ),
}  # fmt: skip

ENVIRONMENT = {
    "deploy/settings/settings.py": {"os.environ", "dotenv", "pydantic_settings"},
    # `stripeline up` reads back the file that it wrote itself, so that a second start keeps its master key.
    "deploy/local/up.py": {"dotenv"},
}
"""Who reads the environment or a `.env` file, and by what."""

IMPURE = (
    "ingest/http/", "ingest/kafka/aiokafka_internals.py", "ingest/kafka/batches.py",
    "ingest/kafka/producer_start.py", "ingest/kafka/producer_supervisor.py", "ingest/kafka/publish_errors.py",
    "ingest/kafka/publisher.py", "ingest/kafka/seen_writer.py", "ingest/kafka/session.py",
    "ingest/limited_log.py", "ingest/linger.py",
    "workers/disk/", "workers/kafka/", "workers/secrets/", "workers/spans.py", "workers/stripe/",
)  # fmt: skip
"""What of `ingest` and `workers` is not pure. All else of them, and all of `contracts`, is."""


def within(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or (place.endswith("/") and path.startswith(place)) for place in places)


def is_pure(path: str) -> bool:
    """No I/O, no clock, no chance: time comes in as an argument, and a decision goes out as a value."""
    return path.startswith(("contracts/", "ingest/", "workers/")) and not within(path, IMPURE)


PURE_BUT_FOR = {
    # They find the modules of their own folder, so that a fourth one costs one file.
    "contracts/families/__init__.py": ("importlib", "pkgutil"),
    "workers/actions/__init__.py": ("importlib", "pkgutil"),
    # Keeps the command line of CEL's package from being loaded with it.
    "workers/router/cel_internals.py": ("importlib", "sys"),
    # Loads the actions of other packages, by the entry points that it is given.
    "workers/installed_actions.py": ("importlib",),
    # Loads the CEL engine when the first expression is judged: most commands of the command line need none.
    "deploy/definitions/expressions/expression_engine.py": ("importlib",),
    # A generator with a seed of its own: faults and ids are repeatable.
    "deploy/sandbox/sandbox.py": ("random",),
}

IMPURE_MODULES = (
    "asyncio", "concurrent", "http", "importlib", "io", "logging", "multiprocessing", "os", "pathlib", "pkgutil",
    "random", "sched", "secrets", "select", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib.request", "uuid", "aiohttp", "aiokafka", "dotenv", "opentelemetry",
    "prometheus_client", "pydantic_settings", "structlog", "uvloop",
)  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
IMPURE_METHODS = {"now", "utcnow", "today"}
SAYS_PURE = re.compile(r"\bP(?:ure|URE)[.:;,]")
UNDOCUMENTED = (
    "aiokafka.client", "aiokafka.cluster", "aiokafka.conn", "aiokafka.consumer", "aiokafka.coordinator",
    "aiokafka.producer", "aiokafka.protocol", "aiokafka.record", "aiokafka.util",
    "aiohttp.base_protocol", "aiohttp.client_proto", "aiohttp.client_reqrep", "aiohttp.http", "aiohttp.http_parser",
    "aiohttp.http_writer", "aiohttp.streams", "aiohttp.web_protocol",
)  # fmt: skip
"""Modules of a library that its documentation does not show: what it does show is exported above them."""
MAX_MODULE_LINES, MAX_FUNCTION_LINES = 300, 50


def layers(path: str, source: str) -> list[str]:
    forbidden = (*MAY_NOT_IMPORT[path.partition("/")[0]], *NOBODY_IMPORTS)
    return sorted(
        f"{path} imports {name}"
        for name in imports(path, source)
        if any(of_package(name, package) for package in forbidden)
    )


def adapters(path: str, source: str) -> list[str]:
    names = imports(path, source)
    return [
        f"{path} imports {package}: that belongs in {', '.join(places)}"
        for package, places in ADAPTERS.items()
        if not within(path, places) and any(of_package(name, package) for name in names)
    ]


def environment_uses(path: str, source: str) -> set[str]:
    """By what a module reads the environment."""
    names = {name.replace("environb", "environ") for name in imports(path, source)}
    found = {library for library in ("dotenv", "pydantic_settings") if any(of_package(name, library) for name in names)}
    readers = {"environ", "environb", "getenv", "getenvb", "expandvars"}
    for node in nodes(source):
        match node:
            case ast.Attribute(attr=attr) if attr in readers:
                found.add("os.environ")
            case ast.ImportFrom(module="os" | "os.path", names=aliases) if any(a.name in readers for a in aliases):
                found.add("os.environ")
            case ast.keyword(arg="envvar" | "auto_envvar_prefix" as arg):
                found.add(arg)  # typer would read it behind our back
    return found


def environment(path: str, source: str) -> list[str]:
    allowed, uses = ENVIRONMENT.get(path, set()), environment_uses(path, source)
    read = [f"{path} reads the environment by {use}" for use in sorted(uses - allowed)]
    return read + [f"{path} is listed as reading by {use}, and does not" for use in sorted(allowed - uses)]


def purity(path: str, source: str) -> list[str]:
    """What keeps a module that is pure, or says so, from being pure."""
    if not is_pure(path) and not SAYS_PURE.search(ast.get_docstring(parsed(source)) or ""):
        return []
    allowed = PURE_BUT_FOR.get(path, ())
    found = [
        f"{path} is pure and imports {name}"
        for name in sorted(imports(path, source))
        if any(of_package(name, module) for module in IMPURE_MODULES if module not in allowed)
    ]
    for node in nodes(source):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                found.append(f"{path} is pure and calls {name}()")
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
                found.append(f"{path} is pure and calls .{name}()")
            case ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                found.append(f"{path} is pure and waits in line {node.lineno}")
    return found


def pure_imports_pure(path: str, source: str) -> list[str]:
    """What a pure module takes from us is pure as well, or its purity would be a matter of words."""
    if not is_pure(path):
        return []
    ours = {module for name in imports(path, source) if (module := file_of(name, SOURCES)) is not None}
    return [f"{path} is pure and imports {module}, which is not" for module in sorted(ours) if not is_pure(module)]


def sizes(path: str, source: str) -> list[str]:
    lines = len(source.splitlines())
    found = [f"{path} has {lines} lines"] if lines > MAX_MODULE_LINES else []
    for node in nodes(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                found.append(f"{path}: {node.name} has {length} lines")
    return found


def private_parts(path: str, source: str) -> list[str]:
    """A library's private parts are used in one file per library and package, which an upgrade can be held against.

    An underscore needs `noqa: SLF001`, which ruff reports everywhere else.
    """
    if path.endswith("_internals.py"):
        return []
    lines = enumerate(source.splitlines(), start=1)
    return [
        *(f"{path} uses a private part in line {number}" for number, line in lines if "SLF001" in line),
        *(
            f"{path} imports {name}, which is not documented"
            for name in sorted(imports(path, source))
            if any(of_package(name, module) for module in UNDOCUMENTED)
        ),
    ]


def docstrings(path: str, source: str) -> list[str]:
    """A module says what it decides or translates; only an empty one has nothing to say."""
    tree = parsed(source)
    return [] if ast.get_docstring(tree) or not tree.body else [f"{path} has no docstring"]


def printing(path: str, source: str) -> list[str]:
    """The command prints in one module, which makes every text harmless and masks secrets."""
    if not path.startswith("deploy/cli/") or path in {
        "deploy/cli/terminal/output.py",
        "deploy/cli/terminal/options.py",
    }:
        return []
    calls = [ast.unparse(node.func) for node in nodes(source) if isinstance(node, ast.Call)]
    wrong = {"print", "typer.echo", "typer.secho", "rich.print"}
    return [f"{path} calls {name}: use terminal/output.py" for name in calls if name in wrong]


RULES: tuple[Rule, ...] = (
    layers, adapters, environment, purity, pure_imports_pure, sizes, docstrings, private_parts, printing,
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule):
    assert [problem for path, source in SOURCES.items() for problem in rule(path, source)] == []


def test_the_tables_name_modules_that_exist():
    listed = {*IMPURE, *PURE_BUT_FOR, *ENVIRONMENT, *(path for paths in ADAPTERS.values() for path in paths)}
    assert [place for place in listed if not any(within(path, (place,)) for path in SOURCES)] == []
    assert {path.partition("/")[0] for path in SOURCES} == set(PACKAGES) == set(MAY_NOT_IMPORT)


BAD = [
    (printing, "deploy/cli/x.py", "print('x')"),
    (printing, "deploy/cli/terminal/x.py", "import typer\ntyper.echo('x')"),
    (layers, "contracts/x.py", "import stripeline.workers.actions"),
    (layers, "contracts/x.py", "from stripeline.ingest import routing"),
    (layers, "contracts/x.py", "from stripeline.deploy.settings.settings import settings"),
    (layers, "contracts/families/x.py", "from ...workers import runs"),
    (layers, "ingest/x.py", "def f():\n    from stripeline.workers.kafka.control_table import ControlTable"),
    (layers, "ingest/x.py", "import importlib\nimportlib.import_module('stripeline.deploy.cli')"),
    (layers, "workers/x.py", "if TYPE_CHECKING:\n    import stripeline.ingest"),
    (layers, "workers/x.py", "__import__('stripeline.deploy')"),
    (layers, "workers/x.py", "import contracts"),
    (layers, "deploy/x.py", "from tests.support import records"),
    (layers, "deploy/x.py", "import stripe"),
    (layers, "workers/stripe/x.py", "from httpx import AsyncClient"),
    (layers, "deploy/x.py", "from urllib.request import urlopen"),
    (adapters, "contracts/x.py", "from aiokafka.structs import TopicPartition"),
    (adapters, "workers/executor/x.py", "import aiokafka"),
    (adapters, "deploy/x.py", "from aiohttp import web"),
    (adapters, "workers/task/key_lanes.py", "from opentelemetry import trace"),
    (adapters, "workers/task/counters.py", "import prometheus_client"),
    (adapters, "ingest/routing.py", "from aiohttp import hdrs"),
    (environment, "ingest/x.py", "import os\nos.environ['A']"),
    (environment, "ingest/x.py", "import os as o\no.getenv('A')"),
    (environment, "workers/x.py", "from os import environ as e"),
    (environment, "deploy/x.py", "from dotenv import load_dotenv"),
    (environment, "deploy/x.py", "from pydantic_settings import BaseSettings"),
    (environment, "deploy/x.py", "typer.Option(envvar='A')"),
    (environment, "deploy/local/up.py", "import os\nfrom dotenv import dotenv_values\nos.environ['A']"),
    (environment, "deploy/local/up.py", "import json"),
    (purity, "contracts/topics.py", "import time"),
    (purity, "contracts/topics.py", "from os import path"),
    (purity, "contracts/topics.py", "import importlib"),
    (purity, "workers/router/runs.py", "from datetime import datetime, UTC\ndatetime.now(UTC)"),
    (purity, "workers/router/runs.py", "from datetime import date\ndate.today()"),
    (purity, "workers/task/key_lanes.py", "async def f(x):\n    await x"),
    (purity, "workers/task/key_lanes.py", "print(1)"),
    (purity, "deploy/x.py", '"""Compares. Pure."""\nimport random'),
    (pure_imports_pure, "workers/router/runs.py", "from stripeline.workers.kafka.broker_clock import BrokerClock"),
    (pure_imports_pure, "ingest/routing.py", "from stripeline.ingest.kafka import publisher"),
    (sizes, "deploy/x.py", "x = 1\n" * 301),
    (sizes, "deploy/x.py", "def f():\n" + "    x = 1\n" * 50),
    (sizes, "deploy/x.py", "class A:\n    async def f(self):\n" + "        x = 1\n" * 50),
    (docstrings, "deploy/x.py", "x = 1"),
    (private_parts, "workers/kafka/x.py", "from aiokafka.producer.message_accumulator import BatchBuilder"),
    (private_parts, "workers/kafka/x.py", "import aiokafka.client"),
    (private_parts, "workers/kafka/x.py", "await admin._client.close()  # noqa: SLF001  (a reason)"),
]


@pytest.mark.parametrize(("rule", "path", "source"), BAD)
def test_the_rule_refuses_a_bad_example(rule, path, source):
    assert len(rule(path, source)) == 1


GOOD = [
    (
        layers,
        "ingest/x.py",
        "import stripeline.contracts.topics\nfrom mine import workers\nimport stripe_like",
    ),
    (layers, "deploy/x.py", "import stripeline.workers, stripeline.ingest\nfrom urllib.parse import quote"),
    (adapters, "ingest/http/x.py", "from aiohttp import web"),
    (environment, "deploy/x.py", "from stripeline.deploy.settings.settings import environment\nenvironment('A')"),
    (purity, "deploy/x.py", '"""Pure but for one thing."""\nimport socket'),
    (purity, "contracts/headers.py", "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)"),
    (
        pure_imports_pure,
        "workers/router/runs.py",
        "from stripeline.workers.router.expressions import resolve\nimport stripeline.contracts.headers",
    ),
    (sizes, "deploy/x.py", "x = 1\n" * 300),
    (sizes, "deploy/x.py", "def f():\n" + "    x = 1\n" * 49),
    (docstrings, "deploy/__init__.py", ""),
    (
        private_parts,
        "workers/kafka/x.py",
        "from aiokafka import AIOKafkaClient\nfrom aiokafka.errors import KafkaError",
    ),
    (private_parts, "workers/kafka/aiokafka_internals.py", "import aiokafka.client"),
    (private_parts, "workers/kafka/aiokafka_internals.py", "await admin._client.close()  # noqa: SLF001"),
]


@pytest.mark.parametrize(("rule", "path", "source"), GOOD)
def test_the_rule_lets_a_good_example_pass(rule, path, source):
    assert rule(path, source) == []

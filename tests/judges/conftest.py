"""The judges' tools, each brought once for a run. Nothing here may skip: a judge that is not there is a failure."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.stripe_mock import StripeMock, stripe_mock
from tests.support.tools import node, npm_project, run

HERE = Path(__file__).parent

Judge = Callable[[Path], dict[str, Any]]


@pytest.fixture(scope="session")
def asyncapi_parser() -> Judge:
    """What AsyncAPI's own parser, from npm, says of a document."""
    there = npm_project(HERE / "asyncapi")
    return lambda document: orjson.loads(run(node(), "judge.mjs", document.resolve(), cwd=there))


@pytest.fixture(scope="session")
def stripe() -> Iterator[StripeMock]:
    """Stripe's own mock, which holds requests against Stripe's own OpenAPI."""
    with stripe_mock() as running:
        yield running

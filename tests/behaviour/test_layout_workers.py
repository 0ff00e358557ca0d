"""The seams of the workers: which of their modules never import each other."""

import pytest

from tests.support.product_sources import SOURCES, imports, of_package

SEAMS = {
    # The router is no part of the executor: what both need lies in `contracts` or `workers/task`.
    "workers/router/": ("stripeline.workers.executor", "stripeline.workers.stripe"),
    "workers/executor/": ("stripeline.workers.router", "stripeline.workers.stripe"),
    # What both sides of a call use lies in `transitions`; `executor.py` composes them.
    "workers/executor/before_call.py": (
        "stripeline.workers.executor.after_call", "stripeline.workers.executor.executor",
    ),
    "workers/executor/after_call.py": (
        "stripeline.workers.executor.before_call", "stripeline.workers.executor.executor",
    ),
    "workers/executor/transitions.py": (
        "stripeline.workers.executor.after_call", "stripeline.workers.executor.before_call",
        "stripeline.workers.executor.executor",
    ),
    # It sends a request and returns what came back: it decides nothing, and drives no look-up.
    "workers/stripe/api.py": (
        "stripeline.workers.executor.after_call", "stripeline.workers.executor.before_call",
        "stripeline.workers.executor.executor", "stripeline.workers.executor.stripe_lookup",
        "stripeline.workers.executor.stripe_answer.classify", "stripeline.workers.executor.answer_origin",
    ),
    # What is decided about one record is nothing of the task's own.
    "workers/task/": ("stripeline.workers.executor", "stripeline.workers.router", "stripeline.workers.stripe"),
}  # fmt: skip


def crossings(path: str, source: str) -> list[str]:
    forbidden = [package for place, packages in SEAMS.items() if path.startswith(place) for package in packages]
    return sorted(
        f"{path} imports {name}"
        for name in imports(path, source)
        if any(of_package(name, package) for package in forbidden)
    )


def test_no_module_imports_across_a_seam():
    assert [problem for path, source in SOURCES.items() for problem in crossings(path, source)] == []


def test_the_seams_are_between_modules_that_exist():
    assert [place for place in SEAMS if not any(path.startswith(place) for path in SOURCES)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("workers/router/x.py", "from stripeline.workers.executor import ledger"),
        ("workers/executor/before_call.py", "from stripeline.workers.executor import after_call"),
        ("workers/executor/after_call.py", "from stripeline.workers.executor.before_call import plan"),
        ("workers/executor/x.py", "from stripeline.workers.stripe.api import StripeApi"),
        ("workers/stripe/api.py", "from stripeline.workers.executor.stripe_answer import classify"),
        ("workers/task/x.py", "from stripeline.workers.executor.command_state import Call"),
    ],
)
def test_the_rule_refuses_an_import_across_a_seam(path, source):
    assert len(crossings(path, source)) == 1

"""The installation of a process: waited for, kept for its life, and refused where its records are of another format."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.control_records import Installation
from stripeline.deploy.definitions.installation import InstallationError
from stripeline.deploy.runtime.process_installation import ProcessInstallation
from stripeline.workers.kafka.control_table import ControlTable


@dataclass
class Table:
    """A control table that a test writes."""

    definitions: Definitions = field(default_factory=Definitions)
    ready: bool = True

    def says(self, name, format_=1):
        self.definitions = Definitions(installation=Installation(id=name, format=format_))


def of(table):
    return ProcessInstallation("s.control", cast("ControlTable", table))


async def test_a_worker_waits_for_the_record():
    table, stop = Table(), asyncio.Event()
    own = of(table)
    waiting = asyncio.create_task(own.known(stop))
    await asyncio.sleep(0)
    assert own.missing() == "s.control has no installation record: write it with `stripeline topics apply`"
    table.says("k3v9x2")
    assert await waiting
    assert (own.id(), own.missing()) == ("k3v9x2", None)


async def test_a_worker_that_waits_can_be_stopped():
    stop = asyncio.Event()
    waiting = asyncio.create_task(of(Table()).known(stop))
    stop.set()
    assert not await waiting


async def test_a_foreign_format_is_refused_with_a_sentence():
    table = Table()
    table.says("k3v9x2", 2)
    with pytest.raises(InstallationError, match="have format 2"):
        await of(table).known(asyncio.Event())
    with pytest.raises(InstallationError, match="have format 2"):
        of(table).require_format()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda table: table.says("other1"), "now says installation other1, and this process began as k3v9x2"),
        (lambda table: setattr(table, "definitions", Definitions()), "topics apply --installation k3v9x2"),
    ],
)
async def test_a_process_goes_on_as_what_it_began_as(change, says):
    table = Table()
    table.says("k3v9x2")
    own = of(table)
    assert await own.known(asyncio.Event())
    change(table)
    assert await own.known(asyncio.Event()) if table.definitions.installation else True
    assert own.id() == "k3v9x2"
    assert says in (own.missing() or "")


def test_no_command_is_taken_before_it_is_known():
    with pytest.raises(RuntimeError, match="before the installation was known"):
        of(Table()).id()
    assert of(Table(ready=False)).missing() == "it is not known before the control topic is read"

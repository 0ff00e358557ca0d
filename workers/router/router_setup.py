"""What the router's decisions rest on: the same for all records, and set by the operator. Pure."""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.topics import Topics
from stripeline.workers.actions import objects_made
from stripeline.workers.router.run_brakes import RunBrakes


class RouterSetup(Struct, frozen=True, kw_only=True):
    """The setup of one prefix's routers.

    workflows: those of a trigger, by name.
    installation: its id, which is known before the first record is taken.
    account: a connection's own; None while it is unknown.
    makes: the kinds of objects that actions make.
    brakes: of the workflows with a limit.
    only_own: whether a connection takes only commands of runs.
    paused: whether a person, or a limit of its own, paused a workflow: events start no run of it, and acts do.
    """

    topics: Topics
    workflows: Callable[[str], Mapping[str, Workflow]]
    installation: Callable[[], str]
    account: Callable[[str], str | None] = lambda _: None
    partitions: int = 1_000_000
    paused: Callable[[str], bool] = lambda _: False
    makes: frozenset[str] = field(default_factory=objects_made)
    brakes: RunBrakes = field(default_factory=RunBrakes)
    only_own: Callable[[str], bool] = lambda _: False

"""What the executor's decisions rest on: the same for all commands, and set by the operator. Pure."""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from stripeline.contracts.action import Action
from stripeline.contracts.stripe_metadata import Origin
from stripeline.contracts.topics import Topics
from stripeline.workers.executor.connection.key_owner import KeyOwner
from stripeline.workers.executor.connection.own_runs import OwnRuns


class Setup(Struct, frozen=True, kw_only=True):
    """The setup of one prefix's executors.

    owner: whose key a connection has; None where there is no such connection.
    installation: its id, which is known before the first command is taken.
    quiet_since: since when no command of a connection has been attempted, while it is paused.
    reconcile_after_ms: how long Stripe's search may lag behind a call.
    call_timeout_ms: of one request to Stripe.
    only_own: whether a connection takes only commands of runs.
    own_runs: the runs, for such connections.
    """

    topics: Topics
    actions: Mapping[str, Action]
    owner: Callable[[str], KeyOwner | None]
    installation: Callable[[], str]
    quiet_since: Callable[[str], int | None] = lambda _: None
    reconcile_after_ms: int = 120_000
    call_timeout_ms: int = 30_000
    only_own: Callable[[str], bool] = lambda _: False
    own_runs: OwnRuns = field(default_factory=OwnRuns)

    def origin(self, command_id: str, digest: str) -> Origin:
        """What the object of a command says at Stripe."""
        return Origin(installation=self.installation(), command_id=command_id, digest=digest)

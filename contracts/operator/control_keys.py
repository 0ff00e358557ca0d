"""The keys of `stripe.control` for what nobody wrote into the configuration file, and the record under each. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from stripeline.contracts.ids import ACCOUNT_ID, NAME
from stripeline.contracts.operator.control_records import (
    BatchSkip,
    BrakeRelease,
    ConnectionAccount,
    Installation,
    KeyRefusal,
    Pause,
    Probe,
)
from stripeline.contracts.operator.stripe_side_records import Destinations, Sweep

Fact = KeyRefusal | BatchSkip | ConnectionAccount | Pause | BrakeRelease | Probe | Destinations | Sweep | Installation
"""What nobody wrote into the file: what an operator did, or a process learned or met."""
KEY_REFUSAL: Final = "state"
SKIP: Final = "skip"
ACCOUNT: Final = "account"
PAUSE: Final = "pause"
BRAKE: Final = "brake"
PROBE: Final = "probe"
DESTINATION: Final = "destination"
SWEEP: Final = "sweep"
INSTALLATION_KEY: Final = "installation"
"""The first words of control keys. `skip/TOPIC/PARTITION`, `pause/KIND/NAME` and `brake/KIND/NAME` have two more, and
so may `state`: `state/NAME/ACCOUNT`. `installation` has none."""

_PLAIN_NAME: Final = re.compile(NAME.pattern)
_KIND_AND_NAME: Final = re.compile(r"^(connection|workflow)/" + NAME.pattern.removeprefix("^"))
FACTS: Final[Mapping[str, tuple[re.Pattern[str], type[Fact]]]] = {
    KEY_REFUSAL: (re.compile(_PLAIN_NAME.pattern[:-1] + f"(/{ACCOUNT_ID.pattern[1:-1]})?$"), KeyRefusal),
    SKIP: (re.compile(r"^[A-Za-z0-9._-]{1,249}/[0-9]{1,9}$"), BatchSkip),
    ACCOUNT: (_PLAIN_NAME, ConnectionAccount),
    PAUSE: (_KIND_AND_NAME, Pause),
    BRAKE: (_KIND_AND_NAME, BrakeRelease),
    PROBE: (_PLAIN_NAME, Probe),
    DESTINATION: (_PLAIN_NAME, Destinations),
    SWEEP: (_PLAIN_NAME, Sweep),
    INSTALLATION_KEY: (re.compile(r"^$"), Installation),
}
"""By the first word of their keys: what the rest of the key looks like, and the record."""


def name_of(key: str) -> str:
    """`acme` for `connection/acme`."""
    return key.partition("/")[2]


def refusal_key(connection: str, account: str | None = None) -> str:
    """The control key of a connection's refused key, or of the account that the key may not act for."""
    return f"{KEY_REFUSAL}/{connection}" if account is None else f"{KEY_REFUSAL}/{connection}/{account}"

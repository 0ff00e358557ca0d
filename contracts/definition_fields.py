"""The fields that definitions have in common: names, sealed secrets, modes, owners. Pure."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from stripeline.contracts.action import SENSITIVE
from stripeline.contracts.families import families
from stripeline.contracts.ids import NAME

Name = Annotated[str, Field(pattern=NAME.pattern)]
Sealed = Annotated[
    str,
    Field(pattern=r"^sealed:", description="AES-256-GCM, bound to the secret's own name", json_schema_extra=SENSITIVE),
]
Mode = Literal["live", "test"]

SECRET_KEY = re.compile(r"^(?:sk|rk)_(live|test)_[A-Za-z0-9_]{1,250}$")
SIGNING_SECRET = re.compile(r"^whsec_[A-Za-z0-9+/=_-]{1,250}$")
ENDPOINT_URL = re.compile(r"^https?://[^\s/?#@]{1,255}(/[^\s?#]{0,500})?$")
API_VERSION = re.compile(r"^\d{4}-\d\d-\d\d(\.[a-z_]{1,40})?$")  # https://docs.stripe.com/api/versioning
MAX_DESTINATIONS = 16
"""Of one account at Stripe: https://docs.stripe.com/event-destinations"""


def _known(kind: str) -> str:
    if kind not in families():
        raise ValueError(f"{kind!r} is no trigger: choose one of {', '.join(families())}")
    return kind


TriggerKind = Annotated[str, AfterValidator(_known)]


class Definition(BaseModel):
    """A reader ignores fields that it does not know: a newer version may have written them."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Owner = Annotated[
    Name | None,
    Field(description="who applied it, as `apply --owner` said: `--prune` removes only what is the same's"),
]


class Rate(Definition):
    """The calls per second that a connection may make."""

    account: Annotated[
        Annotated[float, Field(gt=0)] | None, Field(description="calls per second to all endpoints together")
    ] = None
    endpoint: Annotated[Annotated[float, Field(gt=0)] | None, Field(description="calls per second to one endpoint")] = (
        None
    )

"""The brakes that a person may put into a definition: effects and amounts of a connection, runs of a workflow. Pure.

All count over a rolling hour. What is at its limit pauses, and a person resumes it.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

HOUR_MS: Final = 3_600_000
_CURRENCY: Final = re.compile(r"^[a-z]{3}$")
_PER_HOUR: Final = re.compile(r"^[1-9][0-9]{0,8}/h$")

Commands = Literal["own", "all"]
"""Whose commands a connection takes: only those of runs on `stripe.run`, or every team's."""


def _whole(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("write a whole number, 1 at least")
    return value


def _amounts(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("write an amount for each currency, like {eur: 500000}")  # noqa: TRY004  (pydantic's error)
    for currency, amount in value.items():
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise ValueError(f"{currency!r} is no currency: write three lower-case letters, like eur")
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
            raise ValueError(
                f"{currency}: write a whole number of the currency's smallest unit, like 500000 for EUR 5,000.00"
            )
    return value


def _per_hour(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and _PER_HOUR.fullmatch(value)):
        raise ValueError(f"{value!r} is not a limit of runs: write a number of runs an hour, like 1000/h")
    return value


RunLimit = Annotated[str, BeforeValidator(_per_hour), Field(pattern=_PER_HOUR.pattern)]


def runs_per_hour(limit: str | None) -> int | None:
    """The number of `1000/h`."""
    return None if limit is None else int(limit.partition("/")[0])


class HourlyLimits(BaseModel):
    """What a connection may do in an hour. A currency that is not named has no limit."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    effects_per_hour: Annotated[
        Annotated[int, BeforeValidator(_whole), Field(ge=1)] | None,
        Field(description="commands that may change something at Stripe; a retry is no further one"),
    ] = None
    amount: Annotated[
        Annotated[Mapping[str, int], BeforeValidator(_amounts)] | None,
        Field(description="by currency, in its smallest unit: the sum of the commands' amounts"),
    ] = None

    @model_validator(mode="after")
    def _says_something(self) -> "HourlyLimits":
        if self.effects_per_hour is None and not self.amount:
            raise ValueError("it limits nothing: write effects_per_hour, amount, or both")
        return self

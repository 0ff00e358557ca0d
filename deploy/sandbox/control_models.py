"""What the control API takes, as models: unknown names are refused, so that a mistyped rule cannot pass in silence."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from stripeline.deploy.sandbox.delivery_rules import DeliveryRule, Treatment
from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.deploy.sandbox.hops import HOPS

Account = Annotated[str, Field(pattern=r"^acct_[A-Za-z0-9]{1,64}$")]
Delay = Annotated[float, Field(ge=0, le=3600)]
EventType = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", max_length=200)]
Rate = Annotated[float, Field(gt=0)]


class RefusedError(ValueError):
    """The request does not make sense; the text says why and what to do."""


def number(query: Mapping[str, str], name: str, default: int) -> int:
    raw = query.get(name, str(default))
    if not raw.isdecimal():
        raise RefusedError(f"{name} is {raw!r}: give a number, 0 or more.")
    return int(raw)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class MatchBody(Body):
    method: Literal["GET", "POST", "DELETE"] | None = None
    path: str | None = None
    key_last4: str | None = None
    idempotency_key: str | None = None
    account: str | None = None
    contains: str | None = None
    probability: float = Field(default=1.0, ge=0, le=1)


class FaultBody(Body):
    status: int | None = Field(default=None, ge=200, le=599)
    code: str | None = None
    message: str | None = None
    body: str | None = None
    content_type: str = "text/html"
    hop: bool = False
    headers: dict[str, str] = Field(default_factory=dict)
    delay_s: Delay = 0.0
    when: Literal["before", "after"] = "before"
    stored: bool = False
    drop: bool = False
    cut_body: bool = False

    @model_validator(mode="after")
    def _a_hop_answers(self) -> Self:
        if self.hop and (self.stored or self.body is None):
            raise ValueError("a hop's answer has a body of its own and is never stored: Stripe did not give it")
        return self


class RuleBody(Body):
    match: MatchBody = Field(default_factory=MatchBody)
    fault: FaultBody
    times: int | None = Field(default=1, ge=1)

    def rule(self) -> FaultRule:
        match, fault = Match(**self.match.model_dump()), InjectedFault(**self.fault.model_dump())
        return FaultRule(match=match, fault=fault, times=self.times)


class HopBody(Body):
    """A named answer of `hops`, `times` times (null: always)."""

    answer: str
    match: MatchBody = Field(default_factory=MatchBody)
    times: int | None = Field(default=1, ge=1)
    when: Literal["before", "after"] = "before"
    location: str | None = None  # of a redirect

    @field_validator("answer")
    @classmethod
    def _is_named(cls, answer: str) -> str:
        if answer not in HOPS:
            raise ValueError(f"no such answer: use one of {', '.join(HOPS)}")
        return answer

    def rule(self) -> FaultRule:
        fault = replace(HOPS[self.answer], when=self.when)
        if self.location is not None:
            fault = replace(fault, headers={**fault.headers, "Location": self.location})
        return FaultRule(match=Match(**self.match.model_dump()), fault=fault, times=self.times)


class ClockBody(Body):
    advance_s: float = Field(ge=0)


class SettingsBody(Body):
    """Only the fields that are sent are changed."""

    latency_s: Delay = 0.0
    search_delay_s: Delay = 0.0
    seed: int = 0
    account_per_s: Rate | None = None
    endpoint_per_s: Rate | None = None
    api_version: str = Field(default="", pattern=r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")
    events_listed_after_s: Delay = 0.0
    delivery_attempts: int = Field(default=1, ge=1, le=6)
    destinations_in_both_apis: bool = False


class KeyBody(Body):
    """`permissions`: all that a restricted key may do, as Stripe names them behind `rak_`, like customer_write."""

    key: SecretStr
    account: Account | None = None
    revoked: bool | None = None
    permissions: frozenset[str] | None = None

    @model_validator(mode="after")
    def _is_restricted(self) -> Self:
        if self.permissions is not None and not self.key.get_secret_value().startswith("rk_"):
            raise ValueError("permissions are for restricted keys (rk_…): a secret key may do everything")
        return self


class RollBody(Body):
    """The old key works for `keep_s` more seconds, as Stripe offers it."""

    key: SecretStr
    new_key: SecretStr
    keep_s: Delay = 0.0


class ConnectBody(Body):
    """The platform is the account of `key`. `created`: since when it is connected; now without it."""

    key: SecretStr
    account: Account
    connected: bool = True
    created: int | None = Field(default=None, ge=0)


class WebhookBody(Body):
    """`key`: the account whose endpoint it is; without it, the endpoint is each account's."""

    url: str = Field(pattern=r"^https?://")
    secret: SecretStr
    key: SecretStr | None = None
    connect: bool = False
    livemode: bool | None = None
    types: tuple[str, ...] = ("*",)
    thin: bool = False


class EventsBody(Body):
    """Events of the account of `key`, or of `account`, in the mode of `key`. `created`: of the first; now without it.

    `objects`: of how many objects; each gets an event of each type in turn. `gone`: its object can't be read any more.
    """

    types: Annotated[tuple[EventType, ...], Field(min_length=1, max_length=100)]
    count: int = Field(default=1, ge=1, le=100_000)
    key: SecretStr
    account: Account | None = None
    created: int | None = Field(default=None, ge=0)
    spread_s: float = Field(default=0, ge=0)
    objects: int | None = Field(default=None, ge=1, le=100_000)
    id: str | None = Field(default=None, pattern=r"^evt_[A-Za-z0-9_]{1,64}$")
    object_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]{1,255}$")
    data: dict[str, Any] = Field(default_factory=dict)
    previous_attributes: dict[str, Any] | None = None
    idempotency_key: str | None = None
    api_version: str | None = None
    listed_after_s: Delay = 0.0
    deliver: bool = True
    gone: bool = False

    @model_validator(mode="after")
    def _one_id_for_one_event(self) -> Self:
        if self.id is not None and self.count > 1:
            raise ValueError("an id is for one event: leave out `id` or `count`")
        if self.object_id is not None and self.objects not in (None, 1):
            raise ValueError("an object_id is for one object: leave out `objects`")
        return self


class SendAgainBody(Body):
    """`failed`: all that some destination did not take, as Stripe sends again for three days."""

    ids: tuple[str, ...] = ()
    failed: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if bool(self.ids) is self.failed:
            raise ValueError("say which: `ids`, or `failed`")
        return self


class DestinationBody(Body):
    """`disabled_for`: Stripe's reason; null enables it."""

    id: str
    disabled_for: str | None = Field(default=None, min_length=1)


class HealthBody(Body):
    """The type of the event that was not made, and its object: a new one, where none is named."""

    type: EventType
    key: SecretStr
    account: Account | None = None
    object_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]{1,255}$")


class DeliveryRuleBody(Body):
    """`times` null: always. `types` empty: all."""

    do: Treatment
    types: frozenset[str] = frozenset()
    times: int | None = Field(default=1, ge=1)
    probability: float = Field(default=1.0, ge=0, le=1)

    def rule(self) -> DeliveryRule:
        return DeliveryRule(**self.model_dump())


class ReleaseBody(Body):
    shuffle: bool = False


class SeedBody(Body):
    """An object that is there without an effect; for the account of `key`, or for every account.

    account: a connected account, in the mode of `key`.
    """

    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    key: SecretStr | None = None
    account: Account | None = None
    customer: str | None = None
    description: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)


class ChargeBody(SeedBody):
    amount: int = Field(default=1000, ge=1)
    currency: str = "usd"
    status: Literal["succeeded", "pending", "failed"] = "succeeded"
    paid: bool | None = None
    refunded: bool = False
    payment_intent: str | None = None


class CustomerBody(SeedBody):
    email: str | None = None
    name: str | None = None
    phone: str | None = None

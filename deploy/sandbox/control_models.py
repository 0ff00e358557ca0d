"""What the control API takes, as models: unknown names are refused, so that a mistyped rule cannot pass in silence."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match

Delay = Annotated[float, Field(ge=0, le=3600)]
Rate = Annotated[float, Field(gt=0)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class MatchBody(Body):
    method: Literal["GET", "POST"] | None = None
    path: str | None = None
    key_last4: str | None = None
    idempotency_key: str | None = None
    contains: str | None = None
    probability: float = Field(default=1.0, ge=0, le=1)


class FaultBody(Body):
    status: int | None = Field(default=None, ge=200, le=599)
    code: str | None = None
    message: str | None = None
    body: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    delay_s: Delay = 0.0
    when: Literal["before", "after"] = "before"
    stored: bool = False
    drop: bool = False
    cut_body: bool = False


class RuleBody(Body):
    match: MatchBody = Field(default_factory=MatchBody)
    fault: FaultBody
    times: int | None = Field(default=1, ge=1)

    def rule(self) -> FaultRule:
        match, fault = Match(**self.match.model_dump()), InjectedFault(**self.fault.model_dump())
        return FaultRule(match=match, fault=fault, times=self.times)


class ClockBody(Body):
    advance_s: float = Field(ge=0)


class SettingsBody(Body):
    """Only the fields that are sent are changed."""

    latency_s: Delay = 0.0
    search_delay_s: Delay = 0.0
    seed: int = 0
    account_per_s: Rate | None = None
    endpoint_per_s: Rate | None = None


class KeyBody(Body):
    key: SecretStr
    account: str | None = None
    revoked: bool | None = None


class SeedBody(Body):
    """An object that is there without an effect; for the account of `key`, or for every account."""

    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    key: SecretStr | None = None
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

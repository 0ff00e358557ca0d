"""One webhook endpoint, and which events it takes. Pure.

An endpoint takes the events of its own account; a Connect endpoint (`connect`) those of the accounts that are connected
to it, and they name the account. A live Connect endpoint gets test events too, as at Stripe:
docs.stripe.com/connect/webhooks.
"""

from dataclasses import dataclass

from pydantic import SecretStr

from stripeline.deploy.sandbox.events.kept_events import KeptEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """Where deliveries go. `account` None: each account's; `livemode` None: both modes."""

    url: str
    secret: SecretStr
    account: str | None = None
    connect: bool = False
    livemode: bool | None = None
    types: tuple[str, ...] = ("*",)
    thin: bool = False
    api_version: str | None = None  # None: that of the event
    destination_id: str | None = None  # None: the control API made it

    def takes(self, event: KeptEvent, platforms: frozenset[str]) -> bool:
        if self.thin is not event.thin or not ("*" in self.types or event.type in self.types):
            return False
        happened = event.happened
        whose = platforms if self.connect else {happened.account}
        mode = self.livemode in (None, happened.livemode) or bool(self.connect and self.livemode)
        ours = bool(whose) if self.account is None else self.account in whose
        return ours and mode

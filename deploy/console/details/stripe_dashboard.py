"""Links to Stripe's dashboard, for ids of a known shape: any other text could lead elsewhere. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from stripeline.contracts.ids import ACCOUNT_ID

_PAGES: Final[Mapping[str, str]] = {
    # The prefix of an id, and the page of the dashboard that shows such objects.
    "pi": "payments", "ch": "payments", "py": "payments", "cus": "customers", "evt": "events", "req": "logs",
    "dp": "disputes", "du": "disputes", "sub": "subscriptions", "in": "invoices",
}  # fmt: skip
_ID: Final = re.compile(r"([a-z]{2,3})_[A-Za-z0-9]{3,120}")


def dashboard_address(object_id: str | None, *, livemode: bool | None, account: str | None = None) -> str | None:
    """None where there is no page, or the mode is not known. account: the connected account that it belongs to."""
    shape = None if object_id is None or livemode is None else _ID.fullmatch(object_id)
    if shape is None or shape[1] not in _PAGES or (account is not None and not ACCOUNT_ID.fullmatch(account)):
        return None
    parts = ["https://dashboard.stripe.com", account, None if livemode else "test", _PAGES[shape[1]], object_id]
    return "/".join(part for part in parts if part is not None)


def dashboard_link(object_id: str | None, livemode: bool | None, account: str | None = None) -> Markup:
    """`at Stripe`, in a page of its own; nothing where there is no address."""
    address = dashboard_address(object_id, livemode=livemode, account=account)
    if address is None:
        return Markup("")
    return Markup('<a class="outside" href="{}" rel="noreferrer noopener" target="_blank">at Stripe</a>').format(
        address
    )

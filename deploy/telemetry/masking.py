"""Masks secrets where a person sees them: Stripe keys, signing secrets and every `client_secret`. Pure."""

import re
from typing import Any, Final

MASK: Final = "…masked"

# sk_live_…, rk_test_…, whsec_…, and a client secret, which is its object's id and `_secret_…`:
# https://docs.stripe.com/keys · https://docs.stripe.com/api/payment_intents/object
_SECRETS = re.compile(
    r"\b(?P<key>(?:sk|rk)_(?:live|test)_)\w+"
    r"|\b(?P<whsec>whsec_)[A-Za-z0-9+/=_-]+"
    r"|\b(?P<client>[a-z]+_\w*?_secret_)\w+"
)


def mask_text(text: str) -> str:
    """Replace every secret in a text by its prefix."""
    return _SECRETS.sub(lambda found: f"{found['key'] or found['whsec'] or found['client']}{MASK}", text)


def mask(value: Any) -> Any:
    """Mask every `client_secret` of a JSON value, and every secret inside its texts."""
    match value:
        case str():
            return mask_text(value)
        case dict():
            return {
                mask_text(key) if isinstance(key, str) else key: MASK if key == "client_secret" and held else mask(held)
                for key, held in value.items()
            }
        case list() | tuple():
            return [mask(held) for held in value]
        case _:
            return value

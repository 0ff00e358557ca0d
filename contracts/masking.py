"""Masks secrets in texts: Stripe's keys, signing secrets, client secrets, and passwords in a URL. Pure.

A text of others may repeat whatever it was sent, so each one is masked where it is first repeated: in an error's
message, a header, a dead letter, a log line, what a person is shown.
"""

import re
from collections.abc import Collection
from typing import Any, Final

MASK: Final = "…masked"

# A token of the console is `slc_`, its name and hexadecimal digits.
# sk_live_…, rk_test_…, sk_org_…, pk_…, ek_…, whsec_…, and a client secret, which is its object's id and `_secret_…`:
# https://docs.stripe.com/keys · https://docs.stripe.com/api/payment_intents/object
# In the middle of a word (`mykey=…` without a sign between) only what is as long as a key is one.
_SECRETS: Final = re.compile(
    r"(?P<key>(?<![A-Za-z0-9])(?:sk|rk|pk|ek)_(?:live|test|org)_)[\w-]+"
    r"|(?P<inside>(?:sk|rk|pk|ek)_(?:live|test|org)_)[A-Za-z0-9]{16,}"
    r"|(?P<whsec>whsec_)[A-Za-z0-9+/=_-]+"
    r"|(?P<console>\bslc_[\w.@+-]{1,100}_)[0-9a-f]{16,}"
    r"|\b(?P<client>[a-z]+_\w*?_secret_)\w+"
    r"|(?P<password>://[^\s/:@]*:)[^\s/@]+(?=@)"
)


def mask_text(text: str) -> str:
    """Replace every secret in a text by its prefix."""
    return _SECRETS.sub(lambda found: f"{found[found.lastgroup or 0]}{MASK}", text)


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


def mask_fields(value: Any, names: Collection[str]) -> Any:
    """Replace every field of these names that holds something, at any depth."""
    match value:
        case dict():
            return {key: MASK if key in names and held else mask_fields(held, names) for key, held in value.items()}
        case list() | tuple():
            return [mask_fields(held, names) for held in value]
        case _:
            return value

"""Finds the secrets that a configuration file names, and tells the two kinds apart. Seals nothing, shows nothing.

A secret never stands in the file: it is `${env:NAME}` or `${file:PATH}`. The two secrets of Stripe that people mix up
are distinguished in one sentence: https://docs.stripe.com/keys · https://docs.stripe.com/webhooks/signature
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from stripeline.contracts.definition_fields import SECRET_KEY, SIGNING_SECRET, Mode

Environment = Callable[[str], str | None]
Kind = Literal["secret_key", "signing_secret"]

REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")
_MAX_FILE_BYTES: Final = 10_000
_TWO_SECRETS: Final = (
    "Stripe gives two secrets: the secret key (sk_… or rk_…) lets us call Stripe and belongs to a connection's"
    " `secret_key`; the signing secret (whsec_…) proves that a delivery is Stripe's and belongs to a trigger's"
    " `signing_secrets`"
)


_CALLING: Final = "a secret key starts with sk_live_, sk_test_, rk_live_ or rk_test_, and has only letters and digits"
_SIGNING: Final = "a signing secret starts with whsec_, and has only letters, digits and + / = _ -"
_PUBLISHABLE: Final = (
    f"it is a publishable key (pk_…), which can neither call Stripe nor verify a delivery. {_TWO_SECRETS}"
)
_ORGANISATION: Final = (
    "it is an organisation's key (sk_org_…), with which every call must name an account: create a secret key in the"
    " dashboard of the account itself"
)
_EPHEMERAL: Final = (
    "it is an ephemeral key (ek_…), which lets an app see one customer for an hour: use the account's own secret key"
    " (sk_… or rk_…)"
)
_BEFORE_2012: Final = (
    "it is a secret key of before 2012, which does not say its mode: roll it in Stripe's dashboard, and use the new one"
    " (sk_live_… or sk_test_…)"
)
_CALLS: Final = f"it is a secret key (sk_… or rk_…), but a signing secret is wanted here. {_TWO_SECRETS}"
_VERIFIES: Final = f"it is a signing secret (whsec_…), but a secret key is wanted here. {_TWO_SECRETS}"

_COMPLAINTS: Final[Mapping[Kind, tuple[tuple[re.Pattern[str], str], ...]]] = {
    "secret_key": (
        (re.compile(r"pk_"), _PUBLISHABLE),
        (re.compile(r"whsec_"), _VERIFIES),
        (re.compile(r"(sk|rk)_org_"), _ORGANISATION),
        (re.compile(r"ek_"), _EPHEMERAL),
        (re.compile(r"(sk_(?!live|test)[A-Za-z0-9]{8,64}|[A-Za-z0-9]{32})$"), _BEFORE_2012),
        (re.compile(rf"(?!{SECRET_KEY.pattern})"), _CALLING),
    ),
    "signing_secret": (
        (re.compile(r"pk_"), _PUBLISHABLE),
        (re.compile(r"[sre]k_"), _CALLS),
        (re.compile(rf"(?!{SIGNING_SECRET.pattern})"), _SIGNING),
    ),
}
"""What a value looks like that is not a secret of this kind, the most telling first."""


class SecretError(Exception):
    """Why a secret can't be had or is the wrong one; never its value."""


class UnsetError(SecretError):
    """A variable that is not set. name: of the variable."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the variable {name} is not set: set it in the environment or in .env")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where secrets come from: the environment, and files beside the configuration file."""

    environment: Environment
    folder: Path


def find(written: str, kind: Kind, source: Source) -> SecretStr:
    """The secret that a text of the file names. Raises SecretError."""
    reference = REFERENCE.fullmatch(written.strip())
    if reference is None:
        raise SecretError(_inline(written, kind))
    where, name = reference[1], reference[2].strip()
    secret = _from_environment(name, source) if where == "env" else _from_file(name, source)
    wrong = complaint(secret, kind)
    if wrong:
        raise SecretError(f"{written.strip()} is not it: {wrong}")
    return SecretStr(secret)


def complaint(secret: str, kind: Kind) -> str | None:
    """Why a value is not a secret of this kind; None when it is."""
    return next((words for shape, words in _COMPLAINTS[kind] if shape.match(secret)), None)


def mode_of(secret_key: SecretStr) -> Mode:
    return "live" if "_live_" in secret_key.get_secret_value()[:8] else "test"


def hint_of(secret_key: SecretStr) -> str:
    """All that is ever shown of a secret key: `sk_test_…last4`."""
    text = secret_key.get_secret_value()
    start, rest = text[:8], text[8:]
    return f"{start}…{rest[-4:]}" if len(rest) >= 12 else f"{start}…"  # noqa: PLR2004  (of a short one 4 are too many)


def _inline(written: str, kind: Kind) -> str:
    mixed_up = complaint(written, kind) if re.match(r"(sk|rk|pk|ek|whsec)_", written) else None
    name = "ACME_STRIPE_KEY" if kind == "secret_key" else "ACME_WHSEC"
    mend = f'a secret must not stand in the file: write "${{env:{name}}}" and set that variable, or "${{file:PATH}}"'
    return f"{mixed_up}. And {mend}" if mixed_up else mend


def _from_environment(name: str, source: Source) -> str:
    value = (source.environment(name) or "").strip()
    if not value:
        raise UnsetError(name)
    return value


def _from_file(name: str, source: Source) -> str:
    path = source.folder / Path(name).expanduser()
    try:
        value = path.read_bytes()[:_MAX_FILE_BYTES].decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SecretError(f"the file {path} can't be read: {reason}") from None
    if not value:
        raise SecretError(f"the file {path} is empty: write the secret into it")
    return value

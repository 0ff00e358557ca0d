"""Finds the secrets that a configuration file names, and tells the two kinds apart. Seals nothing, shows nothing.

A secret never stands in the file: it is `${env:NAME}` or `${file:PATH}`. The two secrets of Stripe that people mix up
are distinguished in one sentence: https://docs.stripe.com/keys · https://docs.stripe.com/webhooks/signature
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from stripeline.contracts.definitions import SECRET_KEY, SIGNING_SECRET, Mode

Environment = Callable[[str], str | None]
Kind = Literal["secret_key", "signing_secret"]

REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")
_MAX_FILE_BYTES: Final = 10_000
_TWO_SECRETS: Final = (
    "Stripe gives two secrets: the secret key (sk_… or rk_…) lets us call Stripe and belongs to a connection's"
    " `secret_key`; the signing secret (whsec_…) proves that a delivery is Stripe's and belongs to a trigger's"
    " `signing_secrets`"
)


class SecretError(Exception):
    """Why a secret can't be had or is the wrong one; never its value."""


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
    if secret.startswith("pk_"):
        return f"it is a publishable key (pk_…), which can neither call Stripe nor verify a delivery. {_TWO_SECRETS}"
    if kind == "secret_key" and secret.startswith("whsec_"):
        return f"it is a signing secret (whsec_…), but a secret key is wanted here. {_TWO_SECRETS}"
    if kind == "signing_secret" and secret.startswith(("sk_", "rk_")):
        return f"it is a secret key (sk_… or rk_…), but a signing secret is wanted here. {_TWO_SECRETS}"
    if kind == "secret_key" and not SECRET_KEY.fullmatch(secret):
        return "a secret key starts with sk_live_, sk_test_, rk_live_ or rk_test_, and has only letters and digits"
    if kind == "signing_secret" and not SIGNING_SECRET.fullmatch(secret):
        return "a signing secret starts with whsec_, and has only letters, digits and + / = _ -"
    return None


def mode_of(secret_key: SecretStr) -> Mode:
    return "live" if "_live_" in secret_key.get_secret_value()[:8] else "test"


def hint_of(secret_key: SecretStr) -> str:
    """All that is ever shown of a secret key: `sk_test_…last4`."""
    text = secret_key.get_secret_value()
    start, rest = text[:8], text[8:]
    return f"{start}…{rest[-4:]}" if len(rest) >= 12 else f"{start}…"  # noqa: PLR2004  (of a short one 4 are too many)


def _inline(written: str, kind: Kind) -> str:
    mixed_up = complaint(written, kind) if re.match(r"(sk|rk|pk|whsec)_", written) else None
    name = "ACME_STRIPE_KEY" if kind == "secret_key" else "ACME_WHSEC"
    mend = f'a secret must not stand in the file: write "${{env:{name}}}" and set that variable, or "${{file:PATH}}"'
    return f"{mixed_up}. And {mend}" if mixed_up else mend


def _from_environment(name: str, source: Source) -> str:
    value = (source.environment(name) or "").strip()
    if not value:
        raise SecretError(f"the variable {name} is not set: set it in the environment or in .env")
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

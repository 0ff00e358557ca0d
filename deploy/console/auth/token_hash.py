"""A token's text, and its scrypt hash as the tokens file has it: `scrypt$16384$8$1$salt$hash`. Pure, and slow.

A token is 256 random bits, so that its hash can't be searched whatever scrypt's cost; the cost protects a token that
somebody chose by hand. The parameters are bounded: a line must not take the memory of the process.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Final

TOKEN_PREFIX: Final = "slc_"  # noqa: S105  (what every token begins with)
SALT_BYTES: Final = 16
SECRET_BYTES: Final = 32
_HASH_BYTES: Final = 32
_N: Final = 2**14
_R: Final = 8
_P: Final = 1
_MAX_N: Final = 2**17
_MAX_P: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHash:
    """What is known of a token."""

    salt: bytes
    digest: bytes = field(repr=False)
    n: int = _N
    r: int = _R
    p: int = _P

    def matches(self, token: str) -> bool:
        """Whether the token is the one. Takes tens of milliseconds and tens of megabytes."""
        return hmac.compare_digest(_scrypt(token, self.salt, self.n, self.r, self.p), self.digest)

    def __str__(self) -> str:
        salt, digest = b64encode(self.salt).decode(), b64encode(self.digest).decode()
        return f"scrypt${self.n}${self.r}${self.p}${salt}${digest}"


def token_hash(token: str, salt: bytes) -> TokenHash:
    return TokenHash(salt=salt, digest=_scrypt(token, salt, _N, _R, _P))


def parse_token_hash(text: str) -> TokenHash:
    """Raises ValueError, with words that do not repeat the text."""
    scheme, *parts = text.split("$")
    if scheme != "scrypt" or len(parts) != 5:  # noqa: PLR2004  (n, r, p, salt, hash)
        raise ValueError("its third word must be scrypt$n$r$p$salt$hash")
    if not all(part.isdecimal() and len(part) < 10 for part in parts[:3]):  # noqa: PLR2004  (digits)
        raise ValueError("scrypt's n, r and p must be numbers")
    n, r, p = map(int, parts[:3])
    if not (_N <= n <= _MAX_N and n & (n - 1) == 0 and r == _R and 1 <= p <= _MAX_P):
        raise ValueError(f"scrypt's n must be a power of two from {_N} to {_MAX_N}, r {_R}, and p at most {_MAX_P}")
    try:
        salt, digest = (b64decode(part, validate=True) for part in parts[3:])
    except ValueError:
        raise ValueError("salt and hash must be base64") from None
    if len(salt) < SALT_BYTES or len(digest) != _HASH_BYTES:
        raise ValueError(f"the salt must have at least {SALT_BYTES} bytes and the hash {_HASH_BYTES}")
    return TokenHash(salt=salt, digest=digest, n=n, r=r, p=p)


def token_text(name: str, secret: bytes) -> str:
    """`slc_ada_5f3…`: hexadecimal, so that the last underscore ends the name."""
    return f"{TOKEN_PREFIX}{name}_{secret.hex()}"


def token_name(token: str) -> str:
    """The name that a token carries; empty where it is none."""
    name, _, secret = token.removeprefix(TOKEN_PREFIX).rpartition("_")
    return name if token.startswith(TOKEN_PREFIX) and secret else ""


def _scrypt(token: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    memory = 128 * n * r * (p + 2)  # of its tables; OpenSSL refuses what needs more than it is allowed
    return hashlib.scrypt(token.encode(errors="replace"), salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=_HASH_BYTES)

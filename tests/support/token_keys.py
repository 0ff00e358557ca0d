"""The key that signs the tests' OAUTHBEARER tokens: JWTs by RS256, and the JWKS by which a broker checks them."""

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://login.example.com"
AUDIENCE = "kafka"
KEY_ID = "one"


@dataclass(frozen=True, slots=True)
class TokenKeys:
    private: rsa.RSAPrivateKey
    jwks_file: Path

    @classmethod
    def create(cls, jwks_file: Path) -> Self:
        private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        numbers = private.public_key().public_numbers()
        public = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": _number(numbers.n),
                  "e": _number(numbers.e)}  # fmt: skip
        jwks_file.parent.mkdir(parents=True, exist_ok=True)
        jwks_file.write_text(json.dumps({"keys": [public]}))
        return cls(private, jwks_file)

    def token(self, user: str, *, lifetime_s: float = 300, **claims: Any) -> str:
        """A token of the subject `user`, which Kafka makes User:`user`."""
        now = time.time()
        header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
        body = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": int(now), "exp": int(now + lifetime_s), **claims}
        signed = f"{_part(header)}.{_part(body)}"
        signature = self.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"


def _part(value: Any) -> str:
    return _base64(json.dumps(value).encode())


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

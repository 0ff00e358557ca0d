"""Seals (encrypts) secrets for `stripe.control` and opens them: AES-256-GCM with a ring of master keys.

A sealed text is `sealed:v1:<key id>:<base64url of nonce and ciphertext>`. The associated data binds it to the name of
its owner, so that a text copied to another connection does not open. A trigger's signing secrets share one name,
without their position in the list: reordering them requires no new encryption.
No secret or master key ever appears in an error, a repr or a log.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

_SCHEME: Final = "sealed:v1"
_KEY_BYTES: Final = 32
# 96 random bits: NIST SP 800-38D allows 2^32 messages under one key, far more than an operator seals.
_NONCE_BYTES: Final = 12


class VaultError(Exception):
    """What happened, why, and what to do; never a secret."""


class KeyNotHeldError(VaultError):
    """A secret was sealed with a master key that is not in the ring: its id."""

    def __init__(self, words: str, key_id: str) -> None:
        super().__init__(words)
        self.key_id = key_id


def connection_secret(connection: str) -> str:
    """The name that a connection's secret key is bound to."""
    return f"connection/{connection}/secret_key"


def signing_secret(trigger: str) -> str:
    """The name that each signing secret of a trigger is bound to."""
    return f"trigger/{trigger}/signing_secrets"


def endpoint_secret(endpoint: str) -> str:
    """The name that each signing secret of an endpoint is bound to: of its definition, and of its destinations."""
    return f"endpoint/{endpoint}/signing_secrets"


def new_master_key() -> str:
    """A new master key in the format of `STRIPELINE_MASTER_KEY`."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def key_id_of(sealed: str) -> str:
    """The id of the master key that sealed a text."""
    return sealed.removeprefix(f"{_SCHEME}:").partition(":")[0]


class Vault:
    """A ring of master keys. The first one seals; each opens the texts that it sealed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self.key_ids: tuple[str, ...] = tuple(self._ciphers)

    @classmethod
    def from_ring(cls, ring: Sequence[SecretStr]) -> Self:
        """Base64 master keys, 32 bytes each. Raises VaultError."""
        if not ring:
            raise VaultError(
                "There is no master key, so no secret can be sealed or opened. Make one with"
                " `stripeline settings new-master-key`, keep it safe, and set STRIPELINE_MASTER_KEY to it."
            )
        return cls([_decode(text.get_secret_value(), position) for position, text in enumerate(ring, start=1)])

    def seal(self, name: str, secret: SecretStr) -> str:
        """The secret as a sealed text that opens under this name only."""
        key_id = self.key_ids[0]
        nonce = os.urandom(_NONCE_BYTES)
        box = nonce + self._ciphers[key_id].encrypt(nonce, secret.get_secret_value().encode(), name.encode())
        return f"{_SCHEME}:{key_id}:{base64.urlsafe_b64encode(box).decode()}"

    def open(self, name: str, sealed: str) -> SecretStr:
        """The secret of a sealed text. Raises VaultError."""
        key_id, box = _parts(name, sealed)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise KeyNotHeldError(
                f"The secret {name} was sealed with master key {key_id}, which is not in STRIPELINE_MASTER_KEY"
                f" (it has {', '.join(self.key_ids)}). Add that key to the ring, or run `stripeline apply` with the"
                " secret to seal it again.",
                key_id,
            )
        try:
            return SecretStr(cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], name.encode()).decode())
        except (InvalidTag, ValueError) as error:
            raise VaultError(
                f"The secret {name} does not open: the sealed text was changed, or copied here from another name."
                " Run `stripeline apply` with the secret to seal it again."
            ) from error

    def __repr__(self) -> str:
        return f"Vault(key_ids={self.key_ids!r})"


def _key_id(key: bytes) -> str:
    """Eight characters that identify a key without revealing it."""
    return hashlib.blake2b(key, digest_size=4, person=b"stripeline-key").hexdigest()


def _decode(text: str, position: int) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise VaultError(
            f"Key {position} of STRIPELINE_MASTER_KEY is not base64 of {_KEY_BYTES} bytes."
            " Make one with `stripeline settings new-master-key`; several are separated by commas, the first one seals."
        )
    return key


def _parts(name: str, sealed: str) -> tuple[str, bytes]:
    scheme, _, rest = sealed.rpartition(":")[0].rpartition(":")
    try:
        box = base64.b64decode(sealed.rpartition(":")[2], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        box = b""
    if scheme != _SCHEME or len(box) <= _NONCE_BYTES:
        raise VaultError(
            f"The secret {name} is not a sealed text of this version ({_SCHEME}:…)."
            " Run `stripeline apply` with the secret to seal it again."
        )
    return rest, box

"""The CA, the client certificate and its key, from PEM files. Each error names the setting at fault."""

import datetime as dt
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from stripeline.deploy.failure import FailureError

if TYPE_CHECKING:  # it takes a while to import, and most installations of one machine have no certificate
    from cryptography.x509 import Certificate

Stamp = tuple[int, int, int] | None
"""What changes when a file is replaced, also by a link; None where there is no file."""


class TlsFileError(FailureError):
    """A file that can't be used: which setting names it, why, and what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """From when to when a client certificate holds."""

    since: dt.datetime
    until: dt.datetime

    def ends_soon(self, now: dt.datetime) -> bool:
        """Whether less than a twentieth of the time is left: every usual renewal is done long before."""
        return self.until - now < (self.until - self.since) / 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The files that the settings name."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    password: SecretStr | None = field(default=None, repr=False)

    def stamps(self) -> tuple[Stamp, ...]:
        return tuple(_stamp(path) for path in (self.ca, self.cert, self.key) if path is not None)

    def context(self) -> ssl.SSLContext:
        """What the files say now. Raises TlsFileError."""
        context = self._trusting()
        if self.cert is not None and self.key is not None:
            self._require_pair(self.cert, self.key)
            try:
                # Never without a password: OpenSSL would ask for it at the terminal.
                context.load_cert_chain(self.cert, self.key, self.password.get_secret_value() if self.password else "")
            except (OSError, ValueError) as error:  # OSError includes ssl.SSLError
                raise _unusable("CERT_FILE", self.cert, str(error), "a certificate in PEM form") from error
        return context

    def validity(self) -> Validity | None:
        """Of the client certificate, None without one. Raises TlsFileError."""
        if self.cert is None:
            return None
        found = _certificate(self.cert)
        return Validity(since=found.not_valid_before_utc, until=found.not_valid_after_utc)

    def _trusting(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # includes ssl.SSLError
            reason = None if isinstance(error, ssl.SSLError) else error.strerror
            raise _unusable(
                "CA_FILE", self.ca, reason or "no certificates in it", "a readable file of certificates in PEM form"
            ) from error

    def _require_pair(self, cert: Path, key: Path) -> None:
        certified = _public_key(_certificate(cert).public_key())
        if _public_key(_private_key(key, self.password).public_key()) != certified:
            raise TlsFileError(
                f"STRIPELINE_KAFKA_KEY_FILE {key} is not the key of the certificate in STRIPELINE_KAFKA_CERT_FILE"
                f" {cert}. The first certificate of that file must be the client's own."
            )


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()  # of what a link leads to: Kubernetes replaces a secret's files by moving a link
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _public_key(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415  (as above)

    found: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found


def _certificate(path: Path) -> "Certificate":
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415  (as above)

    try:
        return load_pem_x509_certificate(_read("CERT_FILE", path))
    except ValueError as error:
        raise _unusable("CERT_FILE", path, "no certificate in it", "a certificate in PEM form") from error


def _private_key(path: Path, password: SecretStr | None) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415  (as above)

    raw = _read("KEY_FILE", path)
    given = password.get_secret_value().encode() if password else None
    try:
        return load_pem_private_key(raw, given)
    except TypeError:  # the key has a password and none was given, or the reverse
        if given is not None:
            return _private_key(path, None)
        raise TlsFileError(
            f"The key in STRIPELINE_KAFKA_KEY_FILE {path} is encrypted. Set STRIPELINE_KAFKA_KEY_PASSWORD."
        ) from None
    except ValueError as error:
        why = "not readable with STRIPELINE_KAFKA_KEY_PASSWORD" if given else "no private key in it"
        raise _unusable("KEY_FILE", path, why, "a private key in PEM form") from error


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(setting, path, error.strerror or "unreadable", "a readable file in PEM form") from error


def _unusable(setting: str, path: Path | None, reason: str, wanted: str) -> TlsFileError:
    return TlsFileError(f"STRIPELINE_KAFKA_{setting} {path} can't be used: {reason}. It must be {wanted}.")

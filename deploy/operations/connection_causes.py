"""Translates exceptions of sockets, TLS and the client library into the causes of `connection_errors`."""

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from stripeline.deploy.operations.connection_errors import Cause

_BY_ERRNO: Final[Mapping[int, Cause]] = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.EHOSTUNREACH: Cause.NO_ROUTE,
    errno.ENETUNREACH: Cause.NO_ROUTE,
    errno.EADDRNOTAVAIL: Cause.NO_ROUTE,
    errno.ETIMEDOUT: Cause.TIMES_OUT,
}

# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_BY_VERIFY_CODE: Final[Mapping[int, Cause]] = {
    2: Cause.UNKNOWN_CA,  # the issuer's certificate is missing
    9: Cause.NOT_YET_VALID,
    10: Cause.EXPIRED,
    18: Cause.UNKNOWN_CA,  # self-signed
    19: Cause.UNKNOWN_CA,  # self-signed in the chain
    20: Cause.UNKNOWN_CA,  # no local issuer
    21: Cause.UNKNOWN_CA,  # the first one can't be verified
    62: Cause.HOSTNAME_MISMATCH,
    64: Cause.HOSTNAME_MISMATCH,  # of an IP address
}

_NO_TLS_REASONS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "UNEXPECTED_EOF_WHILE_READING",
        "HTTP_REQUEST",
    }
)
"""What OpenSSL says when the bytes that come back are no TLS, or none come."""


def cause_of(error: BaseException) -> tuple[Cause, str]:
    """The cause, and the text of the library where it adds something."""
    match error:
        case socket.gaierror():
            return Cause.UNKNOWN_HOST, error.strerror or ""
        case ssl.SSLError():
            return _cause_of_tls(error)
        case TimeoutError():
            return Cause.TIMES_OUT, ""
        case ConnectionResetError() | BrokenPipeError() | EOFError():
            return Cause.CLOSED, ""
        case OSError():
            return _BY_ERRNO.get(error.errno or 0, Cause.OTHER), error.strerror or str(error)
        case _:
            return Cause.OTHER, f"{type(error).__name__}: {error}"


def may_be_no_tls(error: BaseException) -> bool:
    """Whether a TLS handshake that failed like this may have been with a port that speaks no TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    if isinstance(error, ssl.SSLError):
        return error.reason in _NO_TLS_REASONS or "EOF" in str(error)
    return isinstance(error, ConnectionError | EOFError | TimeoutError)


def is_alert(error: BaseException) -> bool:
    """Whether the other side ended TLS with an alert, so that it speaks TLS."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")


def is_certificate_alert(error: BaseException) -> bool:
    """Whether the alert is about our certificate."""
    # https://www.rfc-editor.org/rfc/rfc8446#section-6.2
    return is_alert(error) and any(
        word in str(error).upper() for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    )


def _cause_of_tls(error: ssl.SSLError) -> tuple[Cause, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, Cause.TLS_FAILED), error.verify_message
    return Cause.TLS_FAILED, (error.reason or str(error)).lower().replace("_", " ")

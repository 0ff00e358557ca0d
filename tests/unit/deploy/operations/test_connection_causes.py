"""Exceptions of sockets, TLS and libraries are translated into causes."""

import errno
import socket
import ssl

import pytest

from stripeline.deploy.operations.connection_causes import cause_of, is_alert, is_certificate_alert, may_be_no_tls
from stripeline.deploy.operations.connection_errors import Cause


def refused(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "verify failed")
    error.verify_code, error.verify_message = code, "because"
    return error


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name or service not known"), Cause.UNKNOWN_HOST),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Cause.REFUSED),
        (OSError(errno.EHOSTUNREACH, "No route to host"), Cause.NO_ROUTE),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), Cause.NO_ROUTE),
        (OSError(errno.ETIMEDOUT, "timed out"), Cause.TIMES_OUT),
        (TimeoutError(), Cause.TIMES_OUT),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Cause.CLOSED),
        (OSError(errno.EMFILE, "Too many open files"), Cause.OTHER),
        (AssertionError("a library's own"), Cause.OTHER),
    ],
)
def test_errors_of_the_system_have_their_cause(error: Exception, cause: Cause) -> None:
    assert cause_of(error)[0] is cause


@pytest.mark.parametrize(
    ("code", "cause"),
    [(10, Cause.EXPIRED), (9, Cause.NOT_YET_VALID), (20, Cause.UNKNOWN_CA), (18, Cause.UNKNOWN_CA),
     (62, Cause.HOSTNAME_MISMATCH), (64, Cause.HOSTNAME_MISMATCH), (26, Cause.TLS_FAILED)],
)  # fmt: skip
def test_a_certificate_that_openssl_refuses(code: int, cause: Cause) -> None:
    assert cause_of(refused(code)) == (cause, "because")
    assert not may_be_no_tls(refused(code))


def test_an_alert_about_a_certificate_is_told_from_others() -> None:
    assert is_certificate_alert(tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"))
    assert is_certificate_alert(tls("TLSV1_ALERT_UNKNOWN_CA"))
    assert is_alert(tls("TLSV1_ALERT_PROTOCOL_VERSION"))
    assert not is_certificate_alert(tls("TLSV1_ALERT_PROTOCOL_VERSION"))
    assert not is_alert(tls("WRONG_VERSION_NUMBER"))


def test_a_handshake_cut_short_may_be_with_a_plaintext_port() -> None:
    assert may_be_no_tls(tls("WRONG_VERSION_NUMBER"))
    assert may_be_no_tls(ConnectionResetError())
    assert cause_of(tls("TLSV1_ALERT_PROTOCOL_VERSION")) == (Cause.TLS_FAILED, "tlsv1 alert protocol version")

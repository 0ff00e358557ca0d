"""An SSLContext that follows its files: each handshake uses the certificates, key and CAs that the files hold then.

asyncio and uvloop start a handshake by `SSLContext.wrap_bio`. Here that looks whether a file was replaced, and passes
the handshake on to a context made of the new files. A new context and not `load_verify_locations` on the old one: that
only adds, and a CA that was taken out of the file would stay trusted.

Invariants:
- Certificate and key are taken together or not at all, whichever file is replaced first.
- Files that can't be used change nothing: the last good ones stay, and `problem` says so.
- Connections that are open keep what they began with, as in every client of Kafka.
"""

import datetime as dt
import ssl
from typing import Any

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.kafka_login.tls_files import TlsFileError, TlsFiles, Validity

log = structlog.get_logger(__name__)


class ReloadingTls(ssl.SSLContext):
    """Given to every Kafka client of a process. Raises TlsFileError when the files can't be used at the start."""

    def __new__(cls, files: TlsFiles) -> "ReloadingTls":  # noqa: ARG004, PYI034  (SSLContext takes a protocol here)
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = files.stamps()
        self._current = files.context()
        self._validity: Validity | None = files.validity()
        self._unusable: str | None = None

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        self._follow()
        return self._current.wrap_bio(*args, **named)

    def wrap_socket(self, *args: Any, **named: Any) -> ssl.SSLSocket:
        self._follow()
        return self._current.wrap_socket(*args, **named)

    def problem(self) -> str | None:
        """What is wrong with the files as they are now, in words."""
        self._follow()
        if self._unusable is not None:
            return f"{self._unusable} The former files are used until then."
        now = dt.datetime.now(dt.UTC)
        if self._validity is None or not self._validity.ends_soon(now):
            return None
        verb = "expired" if self._validity.until <= now else "expires"
        return (
            f"the certificate in STRIPELINE_KAFKA_CERT_FILE {self._files.cert} {verb} at"
            f" {self._validity.until:%Y-%m-%d %H:%M} UTC: replace the file, no restart is needed"
        )

    def _follow(self) -> None:
        stamps = self._files.stamps()
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            current, validity = self._files.context(), self._files.validity()
        except TlsFileError as error:
            self._unusable = str(error)
            log.error(LogEvent.TLS_FILES_UNUSABLE, reason=str(error))  # noqa: TRY400  (the sentence is all there is)
            return
        self._current, self._validity, self._unusable = current, validity, None
        log.info(LogEvent.TLS_FILES_RELOADED)

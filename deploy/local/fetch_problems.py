"""Why the jars of Kafka can't be fetched, and what to do about it. Pure, but for the question that it is given."""

from collections.abc import Callable, Iterable
from typing import Any

_MIRROR = "For a mirror, name it under [repositories] in jgo's settings, ~/.config/jgo.conf."


def require_answer(repositories: Iterable[str], ask: Callable[[str], Any]) -> None:
    """Ask each repository once, and raise the first one's error if none answers.

    jgo tries every jar by itself, which takes minutes where none can be had.
    """
    errors = []
    for repository in repositories:
        try:
            ask(repository)
        except Exception as error:  # noqa: BLE001  requests' and urllib3's have no common base
            errors.append(error)
        else:
            return
    if errors:
        raise errors[0]


def fetch_advice(error: str) -> str:
    """What to do about an error of jgo's or of the HTTP client below it."""
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return (
            "A proxy that inspects TLS shows a certificate of its own CA, which is not trusted here. Set"
            " REQUESTS_CA_BUNDLE to a PEM file that holds this CA, such as /etc/ssl/certs/ca-certificates.crt where the"
            f" system trusts it, and run it again; SSL_CERT_FILE is not read for this. {_MIRROR}"
        )
    if "ProxyError" in error or "Tunnel connection failed" in error:
        return f"The proxy refused: correct HTTPS_PROXY, with user and password if it wants them. {_MIRROR}"
    return f"Check the network; behind a proxy, set HTTPS_PROXY. Then run it again. {_MIRROR}"

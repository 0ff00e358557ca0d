"""Builds the client to Stripe that all calls of a process use: address, proxy and CAs from the settings."""

import ssl
from collections.abc import Callable

from pydantic import SecretStr

from stripeline.deploy.running_version import running_version
from stripeline.deploy.settings.settings import Settings, SettingsError
from stripeline.workers.executor.command_state import Call
from stripeline.workers.stripe.api import OnAnswer, StripeApi
from stripeline.workers.stripe.http_connector import authorities_of
from stripeline.workers.stripe.http_proxy import Proxy
from stripeline.workers.thin.thin_fetch import Fetch


def stripe_client(
    settings: Settings,
    secret_key: Callable[[Call | Fetch], SecretStr | None] = lambda _: None,
    *,
    on_answer: OnAnswer | None = None,
) -> StripeApi:
    """`secret_key`: for a command's call. `StripeApi.read` needs none of them. Raises SettingsError."""
    return StripeApi(
        settings.stripe_api_base,
        secret_key,
        deadline_s=settings.call_timeout_ms / 1000,
        on_answer=on_answer,
        agent=f"stripeline/{running_version()}",
        tls=_authorities(settings),
        proxy=None if settings.stripe_proxy is None else Proxy(settings.stripe_proxy),
    )


def _authorities(settings: Settings) -> ssl.SSLContext | None:
    if settings.stripe_ca_file is None:
        return None
    try:
        return authorities_of(settings.stripe_ca_file)
    except OSError as error:
        why = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(
            f"The file {settings.stripe_ca_file} of STRIPELINE_STRIPE_CA_FILE can't be used: {why}."
        ) from None

"""Signs a token for Amazon MSK with IAM, by AWS's own signer from the extra `msk`. Nothing is asked of MSK for it.

The signer looks for credentials where every program on AWS does (environment, profile, web identity, container or
instance), which may ask the network: in a thread, off the event loop. It is imported only when IAM is chosen.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Final

from stripeline.deploy.failure import FailureError
from stripeline.deploy.kafka_login.login_tokens import Fetched, TokenError

_REGION: Final = re.compile(r"\.kafka(?:-serverless)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")


class MskError(FailureError):
    """IAM was chosen and can't be used: what is missing."""


def region_of(bootstrap_servers: str) -> str | None:
    """The region in the brokers' names, None where they have none, such as behind a name of your own."""
    found = _REGION.search(bootstrap_servers)
    return found[1] if found else None


def msk_tokens(region: str) -> Callable[[], Awaitable[Fetched]]:
    """What fetches a token. Raises MskError without the extra."""
    signer = _signer()

    async def fetch() -> Fetched:
        try:
            value, ends_at_ms = await asyncio.to_thread(signer.generate_auth_token, region)
        except Exception as error:  # noqa: BLE001  botocore's errors have no base but Exception
            raise TokenError(_sentence(error)) from None
        return Fetched(value=value, lifetime_s=max(1.0, ends_at_ms / 1000 - time.time()))

    return fetch


def _signer() -> Any:
    try:
        return import_module("aws_msk_iam_sasl_signer.MSKAuthTokenProvider")
    except ImportError as error:
        raise MskError(
            "STRIPELINE_KAFKA_SASL_MECHANISM is AWS_MSK_IAM, which needs AWS's signer, and it is not installed."
            ' Run: pip install "stripeline[msk]".'
        ) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, AttributeError):  # the signer takes no credentials for an object
        return (
            "found no AWS credentials to log in to MSK with. Give this process a role (EKS pod identity or IRSA, ECS"
            " task role, instance profile), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    return f"AWS gave no credentials to log in to MSK with: {type(error).__name__}: {str(error)[:200]}"

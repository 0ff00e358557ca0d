"""The way to sign in that the settings ask for. Without one, or with half of one, the console does not start."""

from typing import Final

from pydantic import SecretStr

from stripeline.deploy.console.auth.one_time_link import OneTimeLinks
from stripeline.deploy.console.auth.proxy_headers import SECRET_HEADER, ProxyRules
from stripeline.deploy.console.auth.proxy_sign_in import ProxySignIn
from stripeline.deploy.console.auth.sign_in import SignIn
from stripeline.deploy.console.auth.signing_key import signing_key
from stripeline.deploy.console.auth.token_file import FollowedTokenFile
from stripeline.deploy.console.auth.token_sign_in import TokenSignIn
from stripeline.deploy.console.console_sources import Index
from stripeline.deploy.failure import FailureError
from stripeline.deploy.settings.settings import Settings

MIN_SECRET_CHARS: Final = 16
_PROXIES: Final = "STRIPELINE_CONSOLE_TRUSTED_PROXIES"
_SECRET: Final = "STRIPELINE_CONSOLE_PROXY_SECRET"  # noqa: S105  (a setting's name)
_ROLES: Final = "STRIPELINE_CONSOLE_ROLES"


async def sign_in_of(settings: Settings, index: Index, links: OneTimeLinks | None = None) -> SignIn:
    """The way to sign in. links: for `up` and `demo`, which need no setting. Raises FailureError."""
    check_sign_in(settings, links)
    if settings.console_auth == "proxy":
        return ProxySignIn(_proxy_rules(settings))
    file = settings.console_tokens_file
    tokens = None if file is None else FollowedTokenFile(file)
    return TokenSignIn(await signing_key(index), tokens, links or OneTimeLinks())


def check_sign_in(settings: Settings, links: OneTimeLinks | None = None) -> None:
    """Raise FailureError where nobody could sign in, or anybody could. Needs no index."""
    match settings.console_auth:
        case "token" if settings.console_tokens_file is not None:
            FollowedTokenFile(settings.console_tokens_file)
        case "proxy":
            _proxy_rules(settings)
        case _ if links is not None:
            return
        case "token":
            raise FailureError(
                "STRIPELINE_CONSOLE_AUTH=token needs STRIPELINE_CONSOLE_TOKENS_FILE, the file of the tokens. Create it"
                " with `stripeline console-token NAME --role operator --file FILE`."
            )
        case None:
            raise FailureError(
                "The console does not start without a way to sign in. Set STRIPELINE_CONSOLE_AUTH=token and"
                " STRIPELINE_CONSOLE_TOKENS_FILE, and create a token with `stripeline console-token NAME --role"
                " operator`; or set STRIPELINE_CONSOLE_AUTH=proxy behind a proxy that signs people in. See *Who may use"
                " the console* in docs/operations.md."
            )


def _proxy_rules(settings: Settings) -> ProxyRules:
    """Raises FailureError for what is missing: with half of it anybody could say who they are."""
    secret = settings.console_proxy_secret or SecretStr("")
    missing = [
        words
        for is_there, words in (
            (settings.console_trusted_proxies, f"{_PROXIES}, the proxy's addresses or networks, such as 10.0.0.7"),
            (secret, f"{_SECRET}, which the proxy sends as {SECRET_HEADER}"),
            (settings.console_roles, f"{_ROLES}, the roles of groups, such as operator=ops,viewer=*"),
        )
        if not is_there
    ]
    if missing:
        raise FailureError(f"STRIPELINE_CONSOLE_AUTH=proxy needs {'; and '.join(missing)}.")
    if len(secret) < MIN_SECRET_CHARS:
        raise FailureError(
            f"{_SECRET} is shorter than {MIN_SECRET_CHARS} characters. Make one with `openssl rand -hex 32`."
        )
    return ProxyRules(
        trusted=settings.console_trusted_proxies, secret=secret, user_header=settings.console_user_header,
        groups_header=settings.console_groups_header, grants=settings.console_roles,
    )  # fmt: skip

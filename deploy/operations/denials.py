"""An authorization error of Kafka's, as a sentence that names the right, the user, and the command that grants it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka.errors import BrokerResponseError

from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.acl_commands import acl_commands
from stripeline.deploy.operations.rights import Purpose, denied_rights, grant_text, without_implied
from stripeline.deploy.operations.topics_admin import principal_of

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_COMMANDS_SHOWN: Final = 3


def denial(error: BaseException, purposes: Iterable[Purpose], topics: Topics, client: Mapping[str, Any]) -> str | None:
    """What must be granted; None for an error that is not about rights."""
    if not isinstance(error, BrokerResponseError):
        return None
    names = _names(error)
    found = [right for one in purposes for right in denied_rights(error.errno, names, one, topics)]
    rights = without_implied(found)
    if not rights:
        return None
    principal, servers = principal_of(client), str(client["bootstrap_servers"])
    commands = acl_commands(rights, principal, servers)[:_COMMANDS_SHOWN]
    return f"Kafka denies {principal} a right: {grant_text(rights, principal)}. Run {'; '.join(commands)}"


def _names(error: BrokerResponseError) -> list[str]:
    """The topics, the group or the transactional id that the client library puts into its error, if any."""
    about = error.args[0] if error.args else ()
    candidates = [about] if isinstance(about, str) else [str(one) for one in about or ()]
    return [one for one in candidates if _NAME.fullmatch(one)]

"""Where a local stack listens: a port that was asked for is used or refused, another may be replaced by a free one."""

from collections.abc import Callable, Collection

from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.kafka_config import HOST, free_port, is_free
from stripeline.deploy.settings.settings import Settings, variable


def asked_port(settings: Settings, field: str, otherwise: Callable[[int], int]) -> int:
    """The port of a setting. Raises FailureError where it was set and is taken."""
    port: int = getattr(settings, field)
    if field not in settings.model_fields_set:
        return otherwise(port)
    if not is_free(port):
        raise FailureError(
            f"Port {port} of {HOST} is taken, and {variable(field)} asks for it. Stop what listens there, or choose"
            f" another with --{field.replace('_', '-')}."
        )
    return port


def near(port: int, taken: Collection[int] = ()) -> int:
    """The port itself if it is free, else another. taken: those that are given away and not in use yet."""
    return port if port not in taken and is_free(port) else free_port()


def any_port(_: int) -> int:
    return free_port()

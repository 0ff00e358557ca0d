"""A `stripeline` process that ends itself with SIGKILL at a point of what it does outside.

    python -m tests.support.dying_process POINT TARGET[,TARGET…] ARGUMENT …

A target is `api.METHOD:TEXT` (a request to Stripe) or `kafka.METHOD:TEXT` (of a producer), where TEXT is a part of its
first two arguments, such as a path or a topic. Each matching use has two points, before it and after it, counted from
0 in the order in which they are reached. A process that does not reach its point ends as it would.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaProducer

from stripeline.deploy.cli import main
from stripeline.workers.stripe.api import StripeApi

_OWNERS = {"api": StripeApi, "kafka": AIOKafkaProducer}


class Points:
    """Counts the points that are passed, and ends the process at one."""

    def __init__(self, last: int) -> None:
        self._left = last

    def passed(self, what: str) -> None:
        if self._left == 0:
            sys.stderr.write(f"killed {what}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def around(self, target: str) -> None:
        """Put the points before and after each use of a target."""
        place, _, text = target.partition(":")
        owner, _, method = place.partition(".")
        real: Callable[..., Awaitable[Any]] = getattr(_OWNERS[owner], method)

        async def used(*arguments: Any, **named: Any) -> Any:
            words = " ".join(one for one in arguments[1:3] if isinstance(one, str))
            if text not in words:
                return await real(*arguments, **named)
            self.passed(f"before {method} {words}")
            done = await real(*arguments, **named)
            self.passed(f"after {method} {words}")
            return done

        setattr(_OWNERS[owner], method, used)


if __name__ == "__main__":
    points = Points(int(sys.argv[1]))
    for target in sys.argv[2].split(","):
        points.around(target)
    sys.argv[1:3] = []
    main()

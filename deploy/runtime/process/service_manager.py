"""Says to systemd how the process is: the datagrams of sd_notify(3) at NOTIFY_SOCKET. Without one it does nothing.

- Started (READY=1) once the admin port answers, and not only when `/readyz` does: while Kafka is away a process is
  started and not ready, and a start that timed out would only cost what the process knows.
- Alive (WATCHDOG=1) as long as `/healthz` answers 200 and the event loop turns, a third of the watchdog's time apart.
- STATUS is what `/readyz` says is missing, for `systemctl status`. It has no secrets, as that page has none.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Self

from stripeline.contracts.shown_text import one_line
from stripeline.deploy.settings.settings import ServiceEnvironment

_EVERY_S: Final = 5.0
_STATUS_LENGTH: Final = 500
_READY: Final = "ready"
Found = Callable[[], Mapping[str, str]]
"""What is wrong, by name; empty when all is well."""


def status_line(missing: Mapping[str, str]) -> str:
    """One line about what `/readyz` misses."""
    words = "; ".join(f"{name}: {text}" for name, text in missing.items())
    return one_line(f"not ready: {words}")[:_STATUS_LENGTH] if missing else _READY


def beat(broken: Mapping[str, str], missing: Mapping[str, str], *, watched: bool) -> str:
    """The datagram of one turn. A broken process says nothing to the watchdog, which restarts it."""
    status = f"STATUS={status_line(broken or missing)}"
    return status if broken or not watched else f"WATCHDOG=1\n{status}"


@asynccontextmanager
async def service_manager(own: ServiceEnvironment, broken: Found, missing: Found) -> AsyncIterator[None]:
    """Beside a block whose beginning is the start of the process, and whose end is its end."""
    if own.notify_socket is None:
        yield
        return
    with _Notifier(own.notify_socket) as notifier:
        notifier.send(f"READY=1\n{beat(broken(), missing(), watched=own.watchdog_s is not None)}")
        beating = asyncio.create_task(_beats(notifier, own, broken, missing), name="service manager")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait((beating,))
            notifier.send("STOPPING=1\nSTATUS=ending")


async def _beats(notifier: "_Notifier", own: ServiceEnvironment, broken: Found, missing: Found) -> None:
    every_s = _EVERY_S if own.watchdog_s is None else min(_EVERY_S, own.watchdog_s / 3)
    while True:
        await asyncio.sleep(every_s)
        notifier.send(beat(broken(), missing(), watched=own.watchdog_s is not None))


class _Notifier:
    """The datagram socket. A service manager that is away, or takes no more, ends nothing and blocks nothing."""

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # an abstract socket
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(text.encode(), self._address)

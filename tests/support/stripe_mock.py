"""Stripe's own stand-in, built from its source: it refuses every request that is not of Stripe's OpenAPI."""

import contextlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stripeline.deploy.local.kafka import free_port
from tests.support.tools import go_program

MODULE: Final = "github.com/stripe/stripe-mock"
VERSION: Final = "v0.197.0"
KEY: Final = "sk_test_123"
READY_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class StripeMock:
    url: str


@contextlib.contextmanager
def stripe_mock() -> Iterator[StripeMock]:
    """It listens on the loopback address only, and ends with the block."""
    program, port = go_program(MODULE, VERSION), free_port()
    # Without an address of its own it would serve HTTPS too, on a port that a second one can't have.
    command = [program, "-http-addr", f"127.0.0.1:{port}", "-https-addr", "127.0.0.1:"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            found = StripeMock(f"http://127.0.0.1:{port}")
            _until_it_answers(found, child)
            yield found
        finally:
            child.kill()


def _until_it_answers(found: StripeMock, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_S
    request = urllib.request.Request(f"{found.url}/v1/balance", headers={"Authorization": f"Bearer {KEY}"})
    while time.monotonic() < deadline:
        assert child.poll() is None, f"stripe-mock ended with {child.returncode}"
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError(f"stripe-mock does not answer within {READY_S} s")

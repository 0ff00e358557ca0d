"""`python -m stripeline.deploy.runtime.probe readyz`: asks a process's admin port, where there is no shell and no curl.

Exits with 0 when it answers 200, else with 1. It prints the answer, which names what is missing, in one line.
"""

import socket
import sys
from typing import Final, Literal, get_args

from stripeline.deploy.failure import FailureError
from stripeline.deploy.printable import lines
from stripeline.deploy.settings.settings import load_settings

Page = Literal["healthz", "readyz"]
_ANSWER_S: Final = 4.0
_MAX_BYTES: Final = 65_536
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  (what is listened on, not what is asked)


def probe(host: str, port: int, page: str) -> tuple[bool, str]:
    """Whether a page of the admin port at this address says yes, and its words."""
    try:
        with socket.create_connection((_LOCAL.get(host, host), port), _ANSWER_S) as connection:
            connection.sendall(f"GET /{page} HTTP/1.0\r\n\r\n".encode())
            with connection.makefile("rb") as answer:
                text = answer.read(_MAX_BYTES).decode(errors="replace")
    except OSError as error:
        return False, f"the admin port {port} does not answer: {error.strerror or error}"
    head, _, body = text.partition("\r\n\r\n")
    return head.split(" ")[1:2] == ["200"], body


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in get_args(Page):
        print("usage: python -m stripeline.deploy.runtime.probe healthz|readyz", file=sys.stderr)
        return 2
    try:
        settings = load_settings()
    except FailureError as error:
        print(error, file=sys.stderr)
        return 1
    well, words = probe(settings.admin_host, settings.admin_port, arguments[0])
    print(lines(words))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

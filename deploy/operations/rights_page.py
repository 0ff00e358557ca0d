"""Writes the rights at Kafka into `docs/operations.md`, between two markers. The rest of the page is left as it is.

python -m stripeline.deploy.operations.rights_page docs/operations.md
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stripeline.contracts.topics import Topics
from stripeline.deploy.generated_section import with_section
from stripeline.deploy.operations.acl_commands import acl_commands
from stripeline.deploy.operations.rights import (
    Operation,
    Purpose,
    ResourceKind,
    Right,
    rights_of,
    without_implied,
)

BEGIN: Final = "<!-- begin: rights, written by `make docs` from deploy/operations/rights.py -->"
END: Final = "<!-- end: rights -->"
_SERVERS: Final = "kafka:9092"
_USES: Final = {
    Purpose.INGEST: "`stripeline ingest`",
    Purpose.ROUTER: "`stripeline router`",
    Purpose.EXECUTOR: "`stripeline executor`",
    Purpose.WORKER: "`stripeline worker`: router and executor",
    Purpose.CONSOLE: "`stripeline console`",
    Purpose.READING: "`topics check`, `runs`, `dead-letters list`, `get`",
    Purpose.COMMANDS: "`command`, `dead-letters replay`, `dead-letters dismiss`",
    Purpose.ACTS: "`runs retry`, `runs cancel`, `runs start`, `runs erase`, `resume --take-up`",
    Purpose.APPLY: "`apply FILE`, `delete`, `pause`, `resume`, `keys`, `endpoints`",
    Purpose.TOPICS_APPLY: "`topics apply`",
    Purpose.TOPICS_SKIP: "`topics skip`",
}


def with_rights(page: str) -> str:
    """The page with the rights as the table says."""
    return with_section(page, BEGIN, END, _tables())


def _tables() -> str:
    topics = Topics()
    parts = [f"### {use}\n\n{_lines(purpose, topics)}" for purpose, use in _USES.items()]
    return "\n".join(parts)


def _lines(purpose: Purpose, topics: Topics) -> str:
    rights = without_implied(rights_of(purpose, topics))
    needed = [right for right in rights if not right.optional]
    head = f"| `--role {purpose}` | |\n|---|---|\n"
    rows = [f"| {operation} on topics | {_names(needed, operation)} |\n" for operation in _operations(needed)]
    rows += [f"| {right.operation} | {right.on} |\n" for right in needed if right.resource is not ResourceKind.TOPIC]
    rows += [f"| optional: {right.operation} | {right.on}: {right.optional} |\n" for right in rights if right.optional]
    commands = "\n".join(acl_commands(needed, f"User:stripeline-{purpose}", _SERVERS))
    return f"{head}{''.join(rows)}\n```sh\n{commands}\n```\n"


def _operations(rights: Sequence[Right]) -> list[Operation]:
    found = {right.operation for right in rights if right.resource is ResourceKind.TOPIC}
    return [operation for operation in Operation if operation in found]


def _names(rights: Sequence[Right], operation: Operation) -> str:
    names = [
        f"`{right.name}`" for right in rights if right.resource is ResourceKind.TOPIC and right.operation is operation
    ]
    return ", ".join(names) if len(names) < len(Topics().all(1)) else "all topics"


def main(path: Path) -> None:
    path.write_text(with_rights(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

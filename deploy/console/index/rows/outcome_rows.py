"""What a wait or a result makes of a command, as a row of its own beside the command's newest state. Pure."""

from typing import Any

from stripeline.deploy.operations.reading.topic_reader import Read

Row = dict[str, Any]
_SAME = ("number", "command_id", "status", "revision", "attempts", "code", "error", "due_ms")


def outcome_rows(record: Read, command: Row) -> list[Row]:
    """command: the row that the record makes of its command. Nothing for a first result that succeeded."""
    if command["status"] == "succeeded" and not command["revision"]:
        return []
    same = {name: command[name] for name in _SAME}
    return [{**same, "topic": record.topic, "offset": record.offset, "at_ms": command["status_ms"]}]

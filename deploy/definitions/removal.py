"""What the removal of definitions means, in the words of the question that is asked before. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from stripeline.contracts.operator.control_keys import name_of


def consequences(
    removed: Sequence[str], waiting: Mapping[str, int], owners: Mapping[str, str | None], renames: Mapping[str, str]
) -> Iterator[str]:
    """One line for each control key.

    waiting: commands, by the control key of their workflow. renames: the new triggers of old ones.
    """
    for key in removed:
        name, kind, owner = name_of(key), key.partition("/")[0], owners.get(key)
        yield f"{key}{f' (of {owner})' if owner else ''}: {_meaning(kind, name, waiting, renames)}"


def _meaning(kind: str, name: str, waiting: Mapping[str, int], renames: Mapping[str, str]) -> str:
    match kind:
        case "trigger":
            new = renames.get(name)
            first = f"; give Stripe the URL of /webhooks/{new} first" if new else ""
            return f"/webhooks/{name} will be answered 404, and Stripe's deliveries to it are lost after 3 days{first}"
        case "endpoint":
            return (
                f"/webhooks/{name} will be answered 404. Its destinations stay at Stripe, which sends to them for"
                " days: then run `stripeline endpoints apply`, which deletes them there"
            )
        case "workflow":
            count = waiting.get(f"workflow/{name}", 0)
            wait = f" ({count} of their commands wait)" if count else ""
            return f"its events start no more runs; runs in progress keep the steps they started with{wait}"
        case _:
            return "its key is deleted here; no command waits for it"

"""Kafka's own commands that grant rights. Pure."""

from collections.abc import Iterable, Sequence

from stripeline.deploy.operations.rights import Operation, ResourceKind, Right, without_implied


def acl_commands(rights: Iterable[Right], principal: str, servers: str) -> list[str]:
    """Kafka's own commands that grant these rights: one for all names of a resource that get the same operations."""
    operations: dict[tuple[ResourceKind, bool, str], list[Operation]] = {}
    for right in without_implied(rights):
        operations.setdefault((right.resource, right.prefixed, right.name), []).append(right.operation)
    names: dict[tuple[ResourceKind, bool, tuple[Operation, ...]], list[str]] = {}
    for (resource, prefixed, name), wanted in operations.items():
        names.setdefault((resource, prefixed, tuple(sorted(wanted))), []).append(name)
    return [_command(*key, found, principal, servers) for key, found in names.items()]


def _command(
    resource: ResourceKind,
    prefixed: bool,
    operations: Sequence[Operation],
    names: Sequence[str],
    principal: str,
    servers: str,
) -> str:
    options = "".join(f" --operation {operation}" for operation in operations)
    about = (
        " --cluster"
        if resource is ResourceKind.CLUSTER
        else "".join(f" --{resource} {_quoted(name)}" for name in names)
    )
    pattern = " --resource-pattern-type prefixed" if prefixed else ""
    return (
        f"kafka-acls.sh --bootstrap-server {_quoted(servers)} --command-config admin.properties --add"
        f" --allow-principal {_quoted(principal)}{options}{about}{pattern}"
    )


def _quoted(text: str) -> str:
    """For a shell: single quotes where a character has a meaning there."""
    plain = text and all(character.isalnum() or character in "._-:,=/@+" for character in text)
    return text if plain and text.isascii() else "'" + text.replace("'", "'\"'\"'") + "'"

"""`stripeline console-token`: make and remove tokens, by which people sign in to the console. Prints a token once."""

import secrets
from pathlib import Path
from typing import Annotated, Literal

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import settings
from stripeline.deploy.console.auth.token_file import change_token_file
from stripeline.deploy.console.auth.token_hash import SALT_BYTES, SECRET_BYTES, token_hash, token_text
from stripeline.deploy.console.auth.token_lines import ROLES, TokenLine, line_of, name_problem, with_line, without_line
from stripeline.deploy.failure import FailureError


def console_token(
    name: Annotated[
        str, typer.Argument(help="Whose token: a user name or an e-mail address. Acts are recorded by it.")
    ],
    *,
    role: Annotated[
        Literal["viewer", "reader", "operator"] | None,
        typer.Option(help="viewer sees no payloads, reader sees them masked, operator acts."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The tokens file; default: STRIPELINE_CONSOLE_TOKENS_FILE.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the token that NAME has.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove NAME's token.")] = False,
) -> None:
    """Make a token for a person who may use the console, print it, and add its hash to the tokens file.

    The token is printed once: the file has only its hash. Running consoles read the file again by themselves. A token
    that is replaced or removed ends its sessions at once.

    ```
    stripeline console-token ada --role operator --file console-tokens
    stripeline console-token ada --replace --role reader --file console-tokens
    stripeline console-token ada --remove --file console-tokens
    ```
    """
    if (problem := name_problem(name)) is not None:
        raise typer.BadParameter(problem, param_hint="NAME")
    if remove == (role is not None):
        raise typer.BadParameter("give a new token a role, and --remove none", param_hint="--role")
    path = file or settings().console_tokens_file
    if path is None:
        raise typer.BadParameter("name the file, or set STRIPELINE_CONSOLE_TOKENS_FILE", param_hint="--file")
    if role is None:
        _remove(path, name)
    else:
        _add(path, name, role, replace=replace)


def _add(path: Path, name: str, role: str, *, replace: bool) -> None:
    token = token_text(name, secrets.token_bytes(SECRET_BYTES))
    line = TokenLine(name=name, role=ROLES[role], hash=token_hash(token, secrets.token_bytes(SALT_BYTES)))

    def added(text: str) -> str:
        if line_of(text, name) is not None and not replace:
            raise FailureError(f"{name} has a token in {path}. Replace it with --replace; its sessions end.")
        return with_line(text, line)

    change_token_file(path, added)
    output.line(token)
    output.note(f"Give this token to {name}: it is not shown again. {path} has its hash, for the role {role}.")


def _remove(path: Path, name: str) -> None:
    def removed(text: str) -> str:
        if line_of(text, name) is None:
            raise FailureError(f"{name} has no token in {path}.")
        return without_line(text, name)

    change_token_file(path, removed)
    output.note(f"Removed the token of {name} from {path}. Its sessions have ended.")


COMMANDS = (Entry(name="console-token", does=console_token, panel=Panel.SET_UP, place=9),)

"""Reads a secret setting from a file: `STRIPELINE_MASTER_KEY_FILE=/run/secrets/master_key` for `STRIPELINE_MASTER_KEY`.

That is how Docker, Kubernetes and systemd hand a secret over without showing it in the environment. An error names the
variable and the file, and never the content.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

Source = Mapping[str, str | None]
_MAX_BYTES: Final = 65_536


def file_variable(name: str) -> str:
    """The variable that names the file of a secret setting."""
    return f"{name}_FILE"


def secrets_in_files(names: Iterable[str], sources: Sequence[Source]) -> dict[str, str]:
    """The secrets that these sources have in files. The first source that has one, in either form, decides.

    Raises ValueError, in words, for a secret in both forms and for a file that has none.
    """
    places = {name: place for name in names if (place := _place(name, sources)) is not None}
    return {name: _read(file_variable(name), place) for name, place in places.items()}


def _place(name: str, sources: Sequence[Source]) -> str | None:
    for source in sources:
        value, place = source.get(name), source.get(file_variable(name))
        if value and place:
            raise ValueError(f"{name} and {file_variable(name)} are both set: remove one of them")
        if value or place:
            return place or None
    return None


def _read(variable: str, place: str) -> str:
    try:
        with Path(place).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode().strip()
    except OSError as error:
        raise ValueError(f"{variable}: the file {place} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: the file {place} is not UTF-8 text") from None
    if not text:
        raise ValueError(f"{variable}: the file {place} is empty: write the secret into it")
    if len(content) > _MAX_BYTES:
        raise ValueError(f"{variable}: the file {place} is longer than {_MAX_BYTES // 1024} KiB: it is not a secret")
    return text

"""The published contract as files: generates, writes and checks them. The only one here that touches the disk.

contracts/asyncapi.json                           the AsyncAPI document
contracts/schemas/<record>.v1.schema.json         the JSON Schema of each record
contracts/schemas/examples/<record>/<name>.json   its examples
contracts/released/<version>/…                    the schemas of the last release, which the gate compares with
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from stripeline.deploy.contract.asyncapi import asyncapi
from stripeline.deploy.contract.compatibility import Finding, compare_all
from stripeline.deploy.contract.published_records import RELEASE, published
from stripeline.deploy.failure import FailureError
from stripeline.workers.actions import actions, built_in_actions

_COMMAND = "schemas/command.v1.schema.json"
_MEND = "run `stripeline contracts export` and commit what it writes"


@cache
def generated(keys: frozenset[str] | None = None) -> Mapping[str, str]:
    """Every file's text by its path below `contracts/`. keys: the actions, as in `published`."""
    records = published(keys)
    files: dict[str, Any] = {"asyncapi.json": asyncapi(records)}
    for record in records:
        files[f"schemas/{record.file_name}"] = record.schema()
        for name, value in record.examples.items():
            files[f"schemas/examples/{record.folder}/{name}.json"] = value
    return {path: _text(files[path]) for path in sorted(files)}


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def export(folder: Path, *, built_in: bool = False) -> Sequence[str]:
    """Write what differs and remove what is no longer made. Returns the paths of both.

    built_in: Stripeline's own actions only, without those of installed packages.
    """
    texts, there = generated(None if built_in else frozenset(actions())), _there(folder)
    changed = [path for path in texts if there.get(path) != texts[path]]
    gone = sorted(there.keys() - texts.keys())
    for path in changed:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(texts[path], encoding="utf-8")
    for path in gone:
        (folder / path).unlink()
    return sorted([*changed, *gone])


def check(folder: Path) -> Sequence[str]:
    """What is wrong with the files, one sentence each: drift first, then what breaks other teams."""
    return [*drift(folder), *(finding.sentence for finding in gate(folder) if finding.reason)]


def drift(folder: Path) -> Sequence[str]:
    """The files that are not what the models say."""
    texts, there = generated(_listed(folder)), _there(folder)
    problems = dict.fromkeys(texts.keys() - there.keys(), "is missing")
    problems |= dict.fromkeys(there.keys() - texts.keys(), "is made by nothing any more")
    problems |= {path: "differs from the models" for path in texts if path in there and there[path] != texts[path]}
    return [f"{folder / path} {problems[path]}: {_MEND}" for path in sorted(problems)]


def gate(folder: Path) -> Sequence[Finding]:
    """Every change since the last release, by the rules of the gate."""
    records = published(_listed(folder))
    present = {record.schema_name: record.schema() for record in records}
    return compare_all(_released(folder), present, {record.schema_name: record.side for record in records})


def _listed(folder: Path) -> frozenset[str] | None:
    """The installed actions that a folder publishes. One that is installed and not in the folder is no drift."""
    try:
        schema = json.loads((folder / _COMMAND).read_text(encoding="utf-8"))
        listed = frozenset(schema["properties"]["action"]["enum"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return frozenset(built_in_actions()) | (listed & frozenset(actions()))


def release(folder: Path) -> Path:
    """Keep the present schemas as those of the last release. Raises FailureError while the gate refuses them."""
    refused = [finding.sentence for finding in gate(folder) if finding.reason] if _versions(folder) else []
    if refused:
        raise FailureError("\n".join([*refused, "Nothing was released: mend these, or publish a new version."]))
    made = {path: text for path, text in generated(_listed(folder)).items() if path.endswith(".schema.json")}
    for old in _versions(folder):
        shutil.rmtree(old)
    target = folder / "released" / RELEASE
    target.mkdir(parents=True)
    for path, text in made.items():
        (target / Path(path).name).write_text(text, encoding="utf-8")
    return target


def _there(folder: Path) -> Mapping[str, str]:
    paths = [folder / "asyncapi.json", *(folder / "schemas").rglob("*.json")]
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths if path.is_file()}


def _versions(folder: Path) -> Sequence[Path]:
    return sorted(path for path in (folder / "released").glob("*") if path.is_dir())


def _released(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    versions = _versions(folder)
    if len(versions) != 1:
        raise FailureError(
            f"{folder / 'released'} must have the schemas of one release, and has {len(versions)}: the gate compares"
            " with them. Take them from the last release's tag, or begin with `stripeline contracts release`."
        )
    files = sorted(versions[0].glob("*.schema.json"))
    return {path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8")) for path in files}

"""Writes what is generated for the chart from the settings, each file or section of one by a function.

That is the schema of its values, their list in values.yaml, the table of README.md, what the templates need, and the
product's version.

python -m stripeline.deploy.kubernetes.chart_files deploy
"""

import json
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from stripeline.deploy.cli.settings import row
from stripeline.deploy.generated_section import with_section
from stripeline.deploy.kubernetes.chart_settings import SET_BY_THE_CHART, place_of, readers, variables
from stripeline.deploy.kubernetes.values_schema import values_schema
from stripeline.deploy.settings.settings import Settings, variable

_FROM: Final = "written by `make docs` from deploy/settings/settings.py"
_ROLES: Final = {
    "INGEST": "ingest",
    "EXECUTOR": "executor",
    "CONSOLE": "console",
    "WORKER": "router, executor",
}
"""Who reads a value, by how its variable goes on."""
_NO_COMMENT: Final = "KAFKA_BOOTSTRAP_SERVERS"  # stands above the section, with a value


def generated(folder: Path) -> Mapping[str, str]:
    """The generated files of this folder, by path, as they must be."""
    made: Mapping[str, Callable[[Path], str]] = {
        "kubernetes/chart/values.schema.json": lambda _: json.dumps(values_schema(), indent=1) + "\n",
        "kubernetes/chart/templates/_settings.tpl": lambda _: _facts(),
        "kubernetes/chart/Chart.yaml": _chart,
        "kubernetes/chart/values.yaml": _values,
        "kubernetes/chart/README.md": _page,
    }
    return {path: write(folder / path) for path, write in made.items()}


def _chart(path: Path) -> str:
    """Chart and product have one version."""
    product = tomllib.loads((path.parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return re.sub(r"(?m)^(version|appVersion): .*$", rf"\1: {product}", path.read_text(encoding="utf-8"))


def _facts() -> str:
    lines = [
        f"{{{{- /* {_FROM.capitalize()}: not by hand. */ -}}}}",
        *_defined("secretReaders", {name: readers(name) for name in variables("secrets")}),
        *_defined("fileReaders", {name: readers(name) for name in variables("files")}),
        f'{{{{- define "stripeline.defaultPartitions" }}}}{_default("partitions")}{{{{ end }}}}',
        f'{{{{- define "stripeline.defaultPrefix" }}}}{_default("topic_prefix")}{{{{ end }}}}',
    ]
    return "\n".join(lines) + "\n"


def _defined(name: str, roles: Mapping[str, tuple[str, ...]]) -> list[str]:
    rows = [f"{variable}: [{', '.join(roles)}]" for variable, roles in roles.items()]
    return [f'{{{{- define "stripeline.{name}" }}}}', *rows, "{{- end }}"]


def _values(path: Path) -> str:
    names = [name for name in variables("config") if name != _NO_COMMENT]
    fields = {variable(field): field for field in Settings.model_fields}
    lines = [f"  # {name}: {json.dumps(_default(fields[name]) or '')}   # {_meaning(fields[name])}" for name in names]
    text = "  # Their defaults:\n" + "\n".join(lines)
    return with_section(path.read_text(encoding="utf-8"), f"# begin: settings, {_FROM}", "# end: settings", text)


def _page(path: Path) -> str:
    head = "| variable | in | read by | default | meaning |\n|---|---|---|---|---|\n"
    begin, end = f"<!-- begin: settings, {_FROM} -->", "<!-- end: settings -->"
    table = head + "".join(map(_line, Settings.model_fields))
    return with_section(path.read_text(encoding="utf-8"), begin, end, table)


def _line(field: str) -> str:
    name, place = variable(field), place_of(field)
    default = _default(field)
    shown = f"`{default}`" if default not in {None, ""} else ""
    match place:
        case "chart":
            return f"| `{name}` | set by the chart: {SET_BY_THE_CHART[name]} | | | {_meaning(field)} |\n"
        case "config":
            return f"| `{name}` | `config` | {_role_of(name)} | {shown} | {_meaning(field)} |\n"
        case _:
            return f"| `{name}` | `{place}` | {', '.join(readers(name))} | | {_meaning(field)} |\n"


def _role_of(name: str) -> str:
    return next((whom for begin, whom in _ROLES.items() if name.startswith(f"STRIPELINE_{begin}_")), "all")


def _default(field: str) -> Any:
    return row(field, None)["default"]


def _meaning(field: str) -> str:
    return str(row(field, None)["meaning"])


def main(folder: Path) -> None:
    for path, text in generated(folder).items():
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

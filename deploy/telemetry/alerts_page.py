"""Writes the table of alerts into `docs/operations.md` from the rules file, between two markers.

python -m stripeline.deploy.telemetry.alerts_page deploy/prometheus/alerts.yaml docs/operations.md
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from stripeline.deploy.generated_section import with_section

BEGIN: Final = "<!-- begin: alerts, written by `make docs` from deploy/prometheus/alerts.yaml -->"
END: Final = "<!-- end: alerts -->"
_LABEL: Final = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_VALUE: Final = re.compile(r"\{\{ \$value[^}]*\}\}")
_HEAD: Final = "| alert | severity | fires when | what to do |\n|---|---|---|---|\n"

Rule = Mapping[str, Any]


def rules(text: str) -> Iterator[tuple[str, Rule]]:
    """Each rule of a file, with the name of its group."""
    for group in yaml.safe_load(text)["groups"]:
        for rule in group["rules"]:
            yield group["name"], rule


def with_alerts(page: str, text: str) -> str:
    """The page with its tables as the rules file says."""
    return with_section(page, BEGIN, END, _tables(text))


def _tables(text: str) -> str:
    found: dict[str, list[Rule]] = {}
    for group, rule in rules(text):
        found.setdefault(group.removeprefix("stripeline-").capitalize(), []).append(rule)
    return "\n".join(f"### Alerts: {name}\n\n{_HEAD}{''.join(map(_line, those))}" for name, those in found.items())


def _line(rule: Rule) -> str:
    notes = rule["annotations"]
    anchor = notes["runbook_url"].partition("#")[2]
    delay = f", for {rule['for']}" if "for" in rule else ""
    summary, advice = _plain(notes["summary"]), _plain(notes["description"])
    return f"| `{rule['alert']}` | {rule['labels']['severity']} | {summary}{delay} | {advice} [More](#{anchor}) |\n"


def _plain(template: str) -> str:
    """A template for people: `{{ $labels.topic }}` is TOPIC, a value is N."""
    text = _VALUE.sub("N", _LABEL.sub(lambda found: found[1].upper(), template))
    return text.replace("|", "\\|").strip()


def main(source: Path, page: Path) -> None:
    text = with_alerts(page.read_text(encoding="utf-8"), source.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

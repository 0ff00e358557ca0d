"""`docs/personal-data.md` says of every topic what of a person is in it, and for how long."""

import re
from pathlib import Path

from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.contracts.topics import Topics

PAGE = (Path(__file__).parents[2] / "docs" / "personal-data.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `stripe.")]
KEPT = {name: cells[2] for cells in ROWS for name in re.findall(r"`(stripe\.[a-z0-9.-]+)`", cells[0])}


def test_every_topic_is_on_the_page_about_personal_data() -> None:
    assert {topic.name for topic in Topics().all(1)} == set(KEPT)


def test_the_page_has_the_retention_that_topics_apply_sets() -> None:
    by_time = {topic.name: topic.retention_ms for topic in Topics().all(1) if topic.retention_ms is not None}
    said = {name: int(KEPT[name].split()[0]) * DAY_MS for name in by_time}
    assert said == by_time

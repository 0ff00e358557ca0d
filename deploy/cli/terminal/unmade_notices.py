"""Shows Stripe's notices that it failed to make events: `stripeline events unmade`."""

import time

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.format_check import of_known_format
from stripeline.deploy.cli.terminal.list_layout import Column
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.times import moment_ms
from stripeline.deploy.operations.reading.topic_reader import Wanted, newest
from stripeline.deploy.operations.reading.unmade_views import unmade_view

_COLUMNS = (
    Column("object", 0),
    Column("object_type", 1),
    Column("path", 2),
    Column("severity", 4),
    Column("connection", 5),
    Column("received_at", 3),
)


def show_notices(since: str | None, until: str | None, limit: int, *, as_json: bool) -> None:
    """The newest ones, on the terminal or as JSON."""
    now_ms = int(time.time() * 1000)
    until_ms = moment_ms(until, now_ms, "--until")
    wanted = Wanted(
        keep=lambda read: until_ms is None or read.at_ms <= until_ms, limit=limit,
        since_ms=moment_ms(since, now_ms, "--since"),
    )  # fmt: skip
    page = output.noted(output.run(of_known_format(newest(settings().topics.health_event, kafka(), wanted))))
    views = [unmade_view(read) for read in page.records]
    output.rows(views, _COLUMNS, as_json=as_json, empty="Stripe has sent no such notice.")
    if page.cut:
        output.note_cut(limit)

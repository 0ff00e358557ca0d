"""What the console shows of itself: how far its index has read, its pages, what is under way."""

from collections.abc import Iterable
from typing import Final

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.deploy.telemetry.collector import MetricRow, Sample
from stripeline.deploy.telemetry.sources import ConsoleView


def _page_seconds(seen: ConsoleView) -> Iterable[Sample]:
    return list(seen.counters.page_s.items())


def _by_word(counts: Iterable[tuple[str, int]]) -> Iterable[Sample]:
    return [((word,), count) for word, count in sorted(counts)]


CONSOLE: Final[tuple[MetricRow[ConsoleView], ...]] = (
    MetricRow(
        "stripeline_console_unread_records", "gauge", (),
        "Records that the console's index has not read yet",
        lambda seen: [((), seen.catch_up.unread)],
        question="Does the console show what happens now?",
        action="Rising: the console's machine or its store is too slow, or Kafka does not answer. Pages say how far"
        " they are",
    ),
    MetricRow(
        "stripeline_console_caught_up", "gauge", (),
        "1 once the index has read all that its topics had",
        lambda seen: [((), seen.catch_up.caught_up)],
        over="min",
        question="Is what the pages show whole?",
        action="0 for minutes after a start: the window is long, or the store is slow; see *The console*",
    ),
    MetricRow(
        "stripeline_console_missing_topics", "gauge", (),
        "Topics, and partitions without a leader or behind an open transaction, that the index can't read",
        lambda seen: [((), len(seen.catch_up.missing))],
        question="Is a topic missing, denied, or without a leader?",
        action="The pages name it and say why. `stripeline topics check --rights --role console`",
    ),
    MetricRow(
        "stripeline_console_gaps", "gauge", (),
        "Batches that no client can read, which the index has left out",
        lambda seen: [((), len(seen.catch_up.gaps))],
        question="Does the index lack records?",
        action="The pages name the offsets. They are read within ten minutes once Kafka has the batch whole: another"
        " replica as leader, or a disk that is restored",
    ),
    MetricRow(
        "stripeline_console_write_age_seconds", "gauge", (),
        "Time since the index was last written: half a minute where nothing happens",
        lambda seen: [((), max(0, seen.now_ms - seen.catch_up.written_ms) / 1000)],
        over="max",
        question="Is the index still written?",
        action="Above a minute: its disk or database is full or away, or Kafka does not answer. `/readyz` and the log"
        " line `index_failed` say which",
    ),
    MetricRow(
        "stripeline_console_rebuilds_total", "counter", (),
        "Times that the store was of no use any more, was emptied and read again",
        lambda seen: [((), seen.catch_up.rebuilds)],
        question="Why does the console read everything again?",
        action="Once after an upgrade, or after topics were made again. The log line `index_made_again` has the reason;"
        " again and again: two installations share one store",
    ),
    MetricRow(
        "stripeline_console_page_seconds", "histogram", ("page",),
        "Time to answer a page, by its name",
        _page_seconds,
        question="Are the pages fast?",
        action="Above 0.2 s: a shorter CONSOLE_WINDOW, a faster disk, or PostgreSQL",
    ),
    MetricRow(
        "stripeline_console_page_failures_total", "counter", ("page",),
        "Pages answered 500 because of a fault of Stripeline, or because Kafka did not answer",
        lambda seen: _by_word(seen.counters.failures.items()),
        question="Do pages fail?",
        action="The log line `page_failed` has the reason",
    ),
    MetricRow(
        "stripeline_console_sign_ins_total", "counter", (),
        "People who signed in by a token or a link",
        lambda seen: [((), seen.sign_ins.signed_in)],
        question="Is the console used?",
        action="Behind a proxy it stays 0: the proxy signs people in",
    ),
    MetricRow(
        "stripeline_console_refused_requests_total", "counter", ("reason",),
        "Requests of nobody who may sign in, and of other sites",
        lambda seen: _by_word(seen.sign_ins.refused.items()),
        question="Does somebody guess tokens, or forge a proxy's headers?",
        action="The log lines `sign_in_refused` have the address. Replace a token that may be known; let nobody but the"
        " proxy reach the port",
        words={"reason": (SignInRefusal,)},
    ),
    MetricRow(
        "stripeline_console_streams", "gauge", (),
        "Live streams that are open, one for each page that somebody looks at",
        lambda seen: [((), seen.counters.live.open)],
        question="How many people look?",
        action="A browser keeps one for each page that is open in it. Each costs a query whenever something is new"
    ),
    MetricRow(
        "stripeline_console_stream_messages_total", "counter", (),
        "Messages of live streams",
        lambda seen: [((), seen.counters.live.messages)],
        question="What do the live streams cost?",
        action="At most two a second and stream; a page that nobody looks at has none",
    ),
    MetricRow(
        "stripeline_console_streams_refused_total", "counter", (),
        "Live streams that were refused: 200 are open, or 10 of one person",
        lambda seen: [((), seen.counters.live.refused)],
        question="Are pages refused their live stream?",
        action="Rising: somebody has many tabs in sight, or a script opens streams. The pages themselves go on",
    ),
    MetricRow(
        "stripeline_console_bulk_acts", "gauge", (),
        "Acts that are at work, and previews of some",
        lambda seen: [((), seen.acts)],
        question="Is a bulk act under way?",
        action="Wait for it before a restart: what it has not done then has to be confirmed again",
    ),
)  # fmt: skip

"""The pure parts of the benchmarks: that a table says what was measured. No time is asserted anywhere."""

import re
import xml.etree.ElementTree as ET
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from stripeline.deploy.local.example_events import sign
from tests.bench import report
from tests.bench.harness import Column, Lab, Plot, Table, alternate, medians, order, percentile
from tests.bench.load import is_whole
from tests.bench.plot import svg, ticks
from tests.bench.stripe_load import SECRET, requests

ROWS = {"floor": {"cpu_us": 40.0}, "ours": {"cpu_us": 60.0, "per_s": 12_345.6}}
TABLE = Table(
    title="Ingest",
    about="Signed deliveries.",
    columns=(Column("cpu_us", "CPU, µs", 1), Column("cpu_us", "÷ floor", of="floor"), Column("per_s", "a second")),
    rows=ROWS,
    plot=Plot(title="Growth", x="processes", y="a second", lines={"ours": [(1, 100.0), (2, 190.0)]}),
)


def test_a_table_shows_numbers_ratios_and_what_is_missing() -> None:
    assert TABLE.cells() == [["floor", "40.0", "1.00", "-"], ["ours", "60.0", "1.50", "12,346"]]


async def test_contenders_take_turns_in_alternating_order(tmp_path: Path) -> None:
    turns: list[str] = []

    def contender(name: str):
        async def measure() -> dict[str, float]:
            turns.append(name)
            return {"turn": float(len(turns))}

        return measure

    lab = Lab(bootstrap_servers="", folder=tmp_path, rounds=3, seconds=0, note=lambda _: None)
    found = await alternate(lab, {name: contender(name) for name in "ab"})
    assert turns == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": {"turn": 4}, "b": {"turn": 3}}
    assert order("ab", 1) == "ba"


def test_medians_and_percentiles() -> None:
    assert medians([{"a": 1.0}, {"a": 9.0, "b": 2.0}, {"a": 3.0}]) == {"a": 3.0, "b": 2.0}
    assert [percentile(range(100), share) for share in (0, 0.5, 0.99, 1)] == [0, 50, 99, 99]
    assert percentile([], 0.5) == 0


def test_the_document_keeps_what_stands_outside_the_markers() -> None:
    text = report.section("ingest", [TABLE], "today")
    once = report.replaced("# By hand\n\n<!-- bench:ingest -->\nold\n<!-- /bench:ingest -->\n\nafter\n", "ingest", text)
    assert once.startswith("# By hand\n\n<!-- bench:ingest -->\n**Ingest.** Signed deliveries.")
    assert once.endswith("Measured today\n<!-- /bench:ingest -->\n\nafter\n")
    assert "old" not in once
    assert "| ours | 60.0 | 1.50 | 12,346 |" in once
    assert "![Growth](performance-ingest-1.svg)" in once
    assert report.replaced(once, "ingest", text) == once
    assert report.replaced("# By hand\n", "growth", "new").endswith(
        "\n\n<!-- bench:growth -->\nnew\n<!-- /bench:growth -->\n"
    )


def test_the_footer_says_how_the_interpreter_was_built() -> None:
    plain, full = "'--enable-shared'", "'--enable-optimizations' '--with-lto=full'"
    assert report.build_of(plain, ("posix_prefix",)) == "without profile-guided optimisation, without LTO"
    assert report.build_of(full, ("posix_prefix",)) == "with profile-guided optimisation, with LTO"
    assert report.build_of(plain, ("deb_system",)) == "Debian's, with profile-guided optimisation and LTO"
    assert "with profile-guided" in report.machine() or "without profile-guided" in report.machine()


def test_a_result_is_kept_and_read_back() -> None:
    back = report.table_of(orjson.loads(orjson.dumps(asdict(TABLE))))
    assert back.cells() == TABLE.cells()
    assert back.plot is not None
    assert svg(back.plot) == svg(TABLE.plot)


def test_a_plot_is_svg_with_each_line_and_round_ticks() -> None:
    assert TABLE.plot is not None
    drawn = ET.fromstring(svg(TABLE.plot))
    assert len(drawn.findall(".//{*}polyline")) == 1
    assert len(drawn.findall(".//{*}circle")) == 2
    assert list(ticks(190)) == [0, 50, 100, 150, 200]
    assert list(ticks(4)) == [0, 1, 2, 3, 4]


def test_the_load_is_signed_distinct_and_of_one_size() -> None:
    first, second = requests("/webhooks/pay", 2)
    assert first != second
    assert len(first) == len(second)
    head, _, body = first.partition(b"\r\n\r\n")
    signature = re.search(rb"Stripe-Signature: (t=(\d+),v1=\w+)", head)
    assert signature is not None
    assert sign(body, SecretStr(SECRET).get_secret_value(), int(signature[2])) == signature[1].decode()
    assert b"Content-Length: %d\r\n" % len(body) in head
    event = orjson.loads(body)
    assert (len(event["id"]), event["data"]["object"]["object"]) == (28, "payment_intent")
    assert 4_000 < len(body) < 4_600


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n", False),
    ],
)
def test_an_answer_is_counted_when_all_of_it_is_there(answer: bytes, whole: bool) -> None:
    assert is_whole(answer) is whole

"""On a terminal a list fits, and never cuts an id: columns are left out first, and only prose is shortened."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from stripeline.deploy.cli.terminal.list_layout import (
    Column,
    Fit,
    StreamLayout,
    cell,
    columns_of,
    layout,
    lines_of,
    rows_of,
    to_the_second,
)

RUN = "evt_1SQhAbCdEfGhIjKlMnOpQrSt:thank-big-spenders"
COLUMNS = (
    Column("run", 0),
    Column("event_type", 3),
    Column("status", 1),
    Column("error", 2, Fit.SHORTENED),
    Column("advice", 4, Fit.WRAPPED),
)
ROW = [RUN, "payment_intent.succeeded", "stopped", "the card was declined by its issuer", "ask the customer to pay"]


def drawn(width: int, cells: Sequence[Sequence[str]] = (ROW,)) -> tuple[list[str], tuple[str, ...]]:
    found = layout(COLUMNS, cells, width)
    return list(lines_of(found, COLUMNS, cells)), found.left_out


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (40, ("event_type", "advice")),  # the id takes two lines of the terminal, and the rest of them is used
        (80, ("event_type", "advice")),
        (120, ("advice",)),
        (200, ()),
    ],
)
def test_columns_are_left_out_before_an_id_is_cut(width: int, left_out: tuple[str, ...]) -> None:
    (_, *body), without = drawn(width)
    assert without == left_out
    assert RUN in body[0]


def test_prose_is_shortened_last_and_advice_is_wrapped() -> None:
    assert drawn(80)[0][1] == f"{RUN}  stopped  the card was declined…"
    wrapped = [line.rpartition("  ")[2] for line in drawn(122)[0][1:]]
    assert wrapped == ["ask the customer", "to pay"]
    assert len(drawn(300)[0]) == 2


def test_a_plain_name_is_left_out_from_the_right() -> None:
    columns = columns_of(["name", "mode", "key"])
    assert layout(columns, [["acme", "test", "sk_test_…"]], 12).left_out == ("key",)
    assert layout(columns, [["acme", "test", "sk_test_…"]], 4).left_out == ("mode", "key")


def test_wide_characters_count_twice() -> None:
    columns = (Column("name", 0), Column("text", 1, Fit.SHORTENED))
    cells = [["日本", "日本" * 20]]
    (head, line) = lines_of(layout(columns, cells, 26), columns, cells)
    assert (head, cell_len(line)) == ("name  text", 25)  # a half of a wide character is none
    assert line.endswith("日…")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (["a", None, "b\n"], "a, -, b\\n"),
        ({"code": "RATE_LIMITED", "message": "…"}, "RATE_LIMITED"),
        ({"code": None, "x": "\x1b"}, '{"code": null, "x": "\\u001b"}'),
        ("\x1b[31mred", "\\x1b[31mred"),
    ],
)
def test_a_cell_is_one_harmless_line(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_a_person_sees_times_to_the_second() -> None:
    assert to_the_second("2026-11-29T23:31:02.123Z") == "2026-11-29T23:31:02Z"
    assert to_the_second("v1.123Z") == "v1.123Z"
    assert rows_of([{"at": "2026-11-29T23:31:02.123Z"}], columns_of(["at", "none"]), str) == [
        ["2026-11-29T23:31:02.123Z", "-"]
    ]


TEXT = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Mn"])
)
SHAPES = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(Fit)), min_size=1, max_size=6)


@given(SHAPES, st.data(), st.integers(1, 250))
def test_every_width_fits_and_keeps_every_id(shape: list[tuple[int, Fit]], data: st.DataObject, width: int) -> None:
    columns = tuple(Column(f"c{at}", rank, fit) for at, (rank, fit) in enumerate(shape))
    cells = data.draw(st.lists(st.lists(TEXT, min_size=len(shape), max_size=len(shape)), min_size=1, max_size=4))
    found = layout(columns, cells, width)
    lines = list(lines_of(found, columns, cells))
    assert {column.name for column in columns if not column.rank} <= {column.name for column in found.shown}
    if any(column.rank for column in found.shown):
        ids = sum(size + 2 for column, size in zip(found.shown, found.widths, strict=True) if not column.rank)
        assert max(map(cell_len, lines)) <= width * max(1, -(-ids // width))
    for at, column in enumerate(columns):
        if column in found.shown and column.fit is Fit.WHOLE:
            assert all(any(row[at].rstrip() in line for line in lines) for row in cells)


def test_rows_that_come_one_by_one_keep_their_columns() -> None:
    stream = StreamLayout(columns_of(["event", "type"]))
    assert stream.lines(["evt_1", "charge.failed"], 80) == ["event  type", "evt_1  charge.failed"]
    assert stream.lines(["evt_10", "a"], 80) == ["evt_10  a"]
    assert stream.lines(["evt_2", "a"], 80) == ["evt_2   a"], "as wide as the widest so far"
    assert stream.lines(["evt_2", "a"], 12) == ["evt_2"], "the terminal became narrower"

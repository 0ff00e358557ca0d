"""The pseudo-terminal of the tests shows what a person would see, and types what a person would type."""

import sys

import pytest

from tests.support.terminal import CTRL_C, Page, on_terminal

PYTHON = (sys.executable, "-c")


def drawn(text: str, **size: int) -> list[str]:
    page = Page(**size)
    page.draw(text)
    return page.lines()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("\x1b[1;31mred\x1b[0m", ["red"]),
        ("old\rnew", ["new"]),
        ("a much longer\r\x1b[Kshort", ["short"]),
        ("one\r\ntwo\x1b[1A\rONE", ["ONE", "two"]),
        ("abc\b\bX", ["aXc"]),
        ("12345678", ["12345", "678"]),
        ("gone\x1b[2J\x1b[Hnew", ["new"]),
        ("a\x1b[3Gb\x1b[2Dc", ["acb"]),
    ],
)
def test_a_page_is_drawn_as_a_terminal_draws_it(text: str, lines: list[str]) -> None:
    assert drawn(text, columns=5 if text == "12345678" else 80) == lines


def test_a_command_is_at_a_terminal_of_this_size() -> None:
    asked = "import os,sys; print(sys.stdout.isatty(), sys.stdin.isatty(), *os.get_terminal_size())"
    shown = on_terminal([asked], command=PYTHON)
    assert (shown.code, shown.text.strip()) == (0, "True True 80 24")


def test_answers_are_typed_when_their_question_is_there() -> None:
    asked = "import sys; a = input('first? '); b = input('first? then second? '); sys.exit(3 if a + b == 'xy' else 4)"
    shown = on_terminal([asked], answers=[("first? ", "x\n"), ("second? ", "y\n")], command=PYTHON)
    assert (shown.code, shown.text.strip()) == (3, "first? x\nfirst? then second? y")


def test_only_the_end_is_on_the_screen() -> None:
    shown = on_terminal(["for n in range(100): print(n)"], command=PYTHON)
    assert shown.screen.splitlines()[0] == "77"
    assert shown.text.splitlines()[0] == "0"


def test_ctrl_c_interrupts() -> None:
    asked = (
        "import time\n"
        "try:\n    print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('ended')"
    )
    shown = on_terminal([asked], answers=[("ready", CTRL_C)], command=PYTHON)
    assert (shown.code, "ended" in shown.text) == (0, True)


def test_a_command_that_does_not_end_is_stopped_with_its_page() -> None:
    with pytest.raises(TimeoutError, match="waiting"):
        on_terminal(["print('waiting', flush=True); input()"], command=PYTHON, within_s=2)

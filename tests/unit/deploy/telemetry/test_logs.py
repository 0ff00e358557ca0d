"""Logs are one JSON line each, bounded, and without a secret."""

import logging
import sys
from collections.abc import Iterator

import orjson
import pytest
import structlog

from stripeline.deploy.telemetry.logs import LimitedKafkaClient, configure_logs, formatter


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was for the tests that follow."""
    configured = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    quiet = {name: logging.getLogger(name).level for name in ("aiohttp.server", "aiohttp.access")}
    yield
    root.handlers, root.level = handlers, level
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)
    structlog.configure(**configured)


def fail() -> None:
    raise ValueError("with sk_live_abc")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [orjson.loads(line) for line in captured.err.splitlines()]


def test_our_lines_and_the_libraries_are_masked_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    structlog.get_logger("ours").info("with sk_test_abc", answer={"client_secret": "pi_1_secret_abc"}, command_id="c1")
    logging.getLogger("aiokafka").warning("with %s", "whsec_abc")
    structlog.get_logger("ours").debug("not at this level")
    ours, theirs = lines(capsys)
    assert ours["event"] == "with sk_test_…masked"
    assert (ours["command_id"], ours["level"], ours["logger"]) == ("c1", "info", "ours")
    assert "abc" not in str(ours)
    assert theirs["event"] == "with whsec_…masked"


def test_lines_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    structlog.get_logger("ours").info("x" * 100_000)
    (line,) = lines(capsys)
    assert len(line["event"]) < 2_100
    assert "100000 characters" in line["event"]


def test_a_traceback_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    try:
        fail()
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    (line,) = lines(capsys)
    assert "ValueError: with sk_live_…masked" in line["exception"]


def test_lines_in_a_terminal_are_readable() -> None:
    try:
        fail()
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "a %s", ("whsec_abc",), sys.exc_info())
    text = formatter(readable=True).format(record)
    assert "whsec_…masked" in text
    assert "sk_live_abc" not in text
    assert not text.startswith("{")


def test_lines_of_the_kafka_client_are_bounded_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    configure_logs("info")
    noisy = logging.getLogger("aiokafka.producer.sender")
    for number in range(1_000):
        noisy.error("line %d", number)
    assert [line["event"] for line in lines(capsys)] == ["line 0"]


def test_the_kafka_client_repeats_a_line_after_a_while():
    now = [0.0]
    once = LimitedKafkaClient(every_s=10, now=lambda: now[0])

    def passes(name: str, text: str, *values: object) -> bool:
        return once.filter(logging.LogRecord(name, logging.ERROR, "", 0, text, values, None))

    assert passes("aiokafka", "no node %s", 1)
    assert not passes("aiokafka", "no node %s", 2)
    assert passes("aiokafka.consumer", "no node %s", 1)
    assert passes("deploy", "x")
    assert passes("deploy", "x")
    now[0] = 10.0
    assert passes("aiokafka", "no node %s", 3)

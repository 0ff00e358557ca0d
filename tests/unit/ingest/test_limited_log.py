import structlog
from structlog.testing import capture_logs

from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest.limited_log import LimitedLog


def test_one_line_of_a_kind_in_a_while() -> None:
    now = [0.0]
    limited = LimitedLog(structlog.get_logger("t"), monotonic=lambda: now[0])
    with capture_logs() as lines:
        for number in range(5):
            limited.error(LogEvent.RECORD_NOT_TAKEN, "a", number=number)
        limited.error(LogEvent.REQUEST_FAILED, "b")
        now[0] = 10.0
        limited.error(LogEvent.RECORD_NOT_TAKEN, "a", number=7)
    assert lines == [
        {"event": LogEvent.RECORD_NOT_TAKEN, "log_level": "error", "number": 0, "left_out": 0},
        {"event": LogEvent.REQUEST_FAILED, "log_level": "error", "left_out": 0},
        {"event": LogEvent.RECORD_NOT_TAKEN, "log_level": "error", "number": 7, "left_out": 4},
    ]

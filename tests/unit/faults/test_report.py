"""The report of a fault run: what is broken, and whose fault it is."""

from dataclasses import replace
from pathlib import Path

from tests.faults.collect import kafkas_own_faults
from tests.faults.report import Report
from tests.faults.samples import Trend


def test_the_report_says_what_is_broken():
    report = Report(
        seed=7, seconds=60, counts={"events sent": 2}, rules={"a rule": [1, 2, 3, 4, 5, 6, 7], "another": []},
        struck=[], trends={}, ended_by_themselves=["ingest with -9"], in_logs={"a secret": ["x.log: …"]},
        answers={"200": 2}, worked_off_s=1.0, stuck=["stuck: 3 records"],
    )  # fmt: skip
    text = report.text()
    assert report.problems == [
        "a rule: 1, 2, 3, 4, 5 and 2 more",
        "a secret in a log: x.log: …",
        "ended by itself: ingest with -9",
        "stuck: 3 records",
    ]
    assert all(line in text for line in ["seed 7", "BROKEN a rule", "ok     another", *report.problems])
    grown = {"ingest": Trend(rss_mib=(80, 120), fds=(10, 10)), "router-0": Trend(rss_mib=(80, 120), fds=(10, 10))}
    assert "ingest grew by 40 MiB" in replace(report, seconds=300, trends=grown).problems
    assert "grew" not in str(replace(report, trends=grown).problems)
    well = replace(report, rules={"a rule": []}, ended_by_themselves=[], in_logs={}, stuck=[])
    assert "All promises are kept." in well.text()


def test_kafkas_own_broken_promises_are_found_in_its_log(tmp_path: Path):
    log = tmp_path / "kafka.log"
    log.write_text(
        "[main] [INFO] Kafka Server started\n"
        "[GroupCoordinator id=1] The state machine of the coordinator __consumer_offsets-6 is out of sync with the"
        " underlying log. The last written offset is 3\n"
        "[Transaction Marker Channel Manager 1]: Couldn't find leader endpoint for partitions Set(a-1),"
        " these partitions are likely deleted already and hence can be skipped\n"
    )
    assert [("__consumer_offsets-6" in line, "Set(a-1)" in line) for line in kafkas_own_faults([log])] == [
        (True, False),
        (False, True),
    ]

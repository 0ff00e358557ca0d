"""What the parent of several ingest processes shows, beside the metrics of each under the label `process`."""

from typing import Final

from stripeline.deploy.telemetry.collector import MetricRow
from stripeline.deploy.telemetry.sources import GroupView

GROUP: Final[tuple[MetricRow[GroupView], ...]] = (
    MetricRow(
        "stripeline_ingest_processes", "gauge", (),
        "Ingest processes of `--processes N`",
        lambda seen: (((), seen.processes),),
        question="How many ingest processes share the port?",
        action="N of `--processes N`",
    ),
    MetricRow(
        "stripeline_ingest_processes_ready", "gauge", (),
        "Those of them that are ready",
        lambda seen: (((), seen.ready),),
        question="Do all of them serve?",
        action="Fewer than `stripeline_ingest_processes` for longer than a start: `/readyz` says which, and why",
    ),
    MetricRow(
        "stripeline_ingest_process_restarts_total", "counter", ("process",),
        "Ingest processes that ended and were started again",
        lambda seen: (((number,), count) for number, count in seen.restarts.items()),
        question="Does an ingest process end by itself?",
        action="The log says how (`ingest_process_ended`): a signal 9 is mostly the kernel's, for want of memory",
    ),
)  # fmt: skip

"""What the executor that looks at the endpoints at Stripe shows of what is wrong with them."""

from collections.abc import Sequence
from typing import Final

from stripeline.contracts.operator.worker_report import EndpointTrouble
from stripeline.deploy.telemetry.board import Board
from stripeline.deploy.telemetry.collector import MetricRow

ENDPOINTS: Final[tuple[MetricRow[Sequence[EndpointTrouble]], ...]] = (
    MetricRow(
        "stripeline_endpoint_troubles", "gauge", ("endpoint", "kind"),
        "1 for each thing that is wrong with an endpoint at Stripe",
        lambda seen: [((name, kind), 1) for name, kind in sorted({(one.endpoint, one.kind) for one in seen})],
        board=Board.RECEIVER, over="max",
        question="Does Stripe send what the endpoints need?",
        action="`stripeline endpoints check` says what is wrong, and `stripeline endpoints apply` corrects it. Only the"
        " executor that owns partition 0 has it",
    ),
)  # fmt: skip

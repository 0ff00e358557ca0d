"""The dashboards: which metric is on which, and what the one is about."""

from enum import StrEnum


class Board(StrEnum):
    """A dashboard of Grafana: the name of its file."""

    RECEIVER = "receiver"
    WORKERS = "workers"
    STRIPE = "stripe"
    MONEY = "money-safety"
    CONSOLE = "console"

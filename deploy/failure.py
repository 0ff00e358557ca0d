"""An expected failure: one paragraph that says what happened, why, and what to do."""


class FailureError(Exception):
    """Ends a command with exit code 1 and its message on standard error, without a traceback."""

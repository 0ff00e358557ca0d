"""A failure that is expected: what happened, why, and what to do, as one paragraph for the person at the terminal."""


class FailureError(Exception):
    """Ends a command with exit code 1 and its message on standard error, without a traceback."""

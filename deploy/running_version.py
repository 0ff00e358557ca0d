"""Which version of Stripeline this is."""

from importlib.metadata import PackageNotFoundError, version


def running_version() -> str:
    try:
        return version("stripeline")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"

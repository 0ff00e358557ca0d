"""Debian's Prometheus and promtool, as `make deploy-check` unpacks them."""

import subprocess
import sys
from pathlib import Path

from tests.support.product_sources import ROOT

PROGRAMS = Path(sys.prefix) / "prometheus" / "usr" / "bin"
FILES = ROOT / "deploy" / "prometheus"


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """In the folder of the rules, whose tests name them without a path."""
    program = PROGRAMS / "promtool"
    assert program.exists(), "Prometheus is not there: run `make deploy-check`, which fetches it"
    return subprocess.run([program, *arguments], cwd=FILES, capture_output=True, text=True, timeout=90, check=False)

"""The table of connection errors in docs/faults.md: each cause, its sentence as the product says it, and its test."""

import re
from pathlib import Path

import pytest

from stripeline.deploy.operations.connection_errors import Cause, Connecting, ConnectionFailure, sentence

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| `(tests/[\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
ROWS = {cause: (said, path, name) for cause, said, path, name in ROW.findall((ROOT / "docs/faults.md").read_text())}

PROTOCOLS = {
    Cause.PLAINTEXT_TO_TLS: "SASL_PLAINTEXT", Cause.SASL_WANTED: "SSL", Cause.CERTIFICATE_WANTED: "SSL",
    Cause.CERTIFICATE_REFUSED: "SSL",
}  # fmt: skip
MECHANISMS = {Cause.TOKEN_REFUSED: "OAUTHBEARER", Cause.TOKEN_UNAVAILABLE: "OAUTHBEARER"}
DETAILS = {Cause.TOO_OLD: "EndTxn (transactions)", Cause.SASL_WANTED: "SCRAM-SHA-512",
           Cause.MECHANISM_NOT_OFFERED: "SCRAM-SHA-512"}  # fmt: skip


def example(cause: Cause) -> str:
    connecting = Connecting(
        protocol=PROTOCOLS.get(cause, "SASL_SSL"), mechanism=MECHANISMS.get(cause, "PLAIN"), user="ada",
        certificate_file="/etc/kafka/client.pem",
    )  # fmt: skip
    return sentence(ConnectionFailure(cause=cause, address="kafka:9092", detail=DETAILS.get(cause, "")), connecting)


def test_every_cause_has_a_row() -> None:
    assert set(ROWS) == {cause.value for cause in Cause} - {Cause.OTHER.value}


@pytest.mark.parametrize("cause", ROWS)
def test_a_row_has_the_sentence_and_an_existing_test(cause: str) -> None:
    said, path, name = ROWS[cause]
    assert said == example(Cause(cause))
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")

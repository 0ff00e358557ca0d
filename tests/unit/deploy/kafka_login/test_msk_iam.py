"""Amazon MSK with IAM, as far as it goes without AWS: to the signed token."""

import base64
import sys
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from stripeline.deploy.kafka_login import msk_iam
from stripeline.deploy.kafka_login.login_tokens import TokenError
from stripeline.deploy.kafka_login.msk_iam import MskError, msk_tokens, region_of

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "the-secret-key", "AWS_SESSION_TOKEN": "session",
}  # fmt: skip


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No credentials but those of a test."""
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_the_token_is_a_signed_request_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    fetched = await msk_tokens("eu-central-1")()
    url = urlsplit(base64.urlsafe_b64decode(fetched.value + "=" * (-len(fetched.value) % 4)).decode())
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.hostname == "kafka.eu-central-1.amazonaws.com"
    assert asked["Action"] == "kafka-cluster:Connect"
    assert asked["X-Amz-Credential"].startswith("AKIDEXAMPLE/")
    assert asked["X-Amz-Credential"].endswith("/eu-central-1/kafka-cluster/aws4_request")
    assert (asked["X-Amz-Expires"], asked["X-Amz-Security-Token"]) == ("900", "session")
    assert len(asked["X-Amz-Signature"]) == 64
    assert 880 < fetched.lifetime_s <= 900
    assert "the-secret-key" not in url.query


async def test_without_credentials_the_sentence_says_where_to_put_them() -> None:
    with pytest.raises(TokenError, match=r"found no AWS credentials .* AWS_ACCESS_KEY_ID"):
        await msk_tokens("eu-central-1")()


async def test_the_signer_is_asked_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_in: list[int] = []

    class Signer:
        @staticmethod
        def generate_auth_token(region: str) -> tuple[str, int]:
            asked_in.append(threading.get_ident())
            raise ConnectionError("no metadata service " + "x" * 1_000)

    monkeypatch.setattr(msk_iam, "_signer", lambda: Signer)
    with pytest.raises(TokenError, match="ConnectionError: no metadata service") as caught:
        await msk_tokens("eu-central-1")()
    assert asked_in != [threading.get_ident()]
    assert len(str(caught.value)) < 400


def test_without_the_extra_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer.MSKAuthTokenProvider", None)
    with pytest.raises(MskError, match=r'pip install "stripeline\[msk\]"'):
        msk_tokens("eu-central-1")


@pytest.mark.parametrize(
    ("brokers", "region"),
    [
        ("b-1.mine.abc123.c2.kafka.eu-central-1.amazonaws.com:9098", "eu-central-1"),
        ("boot-x1.c1.kafka-serverless.us-east-1.amazonaws.com:9098", "us-east-1"),
        ("b-1-public.m.abc.c2.kafka.us-gov-west-1.amazonaws.com:9198,b-2:9198", "us-gov-west-1"),
        ("b-1.m.abc.c2.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1"),
        ("kafka.example.com:9098", None),
    ],
)
def test_the_region_is_in_the_brokers_names(brokers: str, region: str | None) -> None:
    assert region_of(brokers) == region

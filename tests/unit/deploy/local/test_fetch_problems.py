"""Why the jars can't be fetched: asked once before the first jar, and answered with what corrects it."""

import pytest

from stripeline.deploy.local.fetch_problems import fetch_advice, require_answer


def test_one_repository_that_answers_is_enough() -> None:
    asked = []

    def ask(url: str) -> None:
        asked.append(url)
        if "mirror" in url:
            raise ConnectionError(url)

    require_answer(["https://mirror", "https://central", "https://other"], ask)
    assert asked == ["https://mirror", "https://central"]
    require_answer([], ask)
    with pytest.raises(ConnectionError, match="mirror1"):
        require_answer(["mirror1", "mirror2"], ask)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] …", "Set REQUESTS_CA_BUNDLE"),
        ("ProxyError('Cannot connect to proxy.'", "The proxy refused: correct HTTPS_PROXY"),
        ("no route", "Check the network; behind a proxy, set HTTPS_PROXY"),
    ],
)
def test_the_advice_is_about_the_true_cause(error: str, advice: str) -> None:
    assert advice in fetch_advice(error)
    assert fetch_advice(error).count("HTTPS_PROXY") == ("CERTIFICATE" not in error)

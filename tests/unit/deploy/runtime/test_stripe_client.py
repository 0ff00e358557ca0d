"""The client to Stripe follows the settings: its proxy, its CAs, and what can't be used is said."""

import pytest
from pydantic import SecretStr

from stripeline.deploy.runtime.stripe_client import stripe_client
from stripeline.deploy.settings.settings import SettingsError, load_settings
from stripeline.workers.stripe.http_client import NotSentError
from tests.integration.test_http_client_tls import certificate, server_side
from tests.support.connect_proxy import connect_proxy
from tests.support.raw_server import raw_server

ACCOUNT = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"object":"account"}'


async def test_reads_go_through_the_proxy_with_the_given_ca(tmp_path):
    path = certificate(tmp_path)
    async with connect_proxy(login="ada:s3cr3t") as proxy, raw_server(ACCOUNT, tls=server_side(path)) as server:
        settings = load_settings(
            {
                "stripe_api_base": server.url, "stripe_proxy": f"http://ada:s3cr3t@127.0.0.1:{proxy.port}",
                "stripe_ca_file": str(path),
            }
        )  # fmt: skip
        assert "s3cr3t" not in repr(settings)
        async with stripe_client(settings) as stripe:
            answer = await stripe.read("/v1/account", SecretStr("sk_test_1"), "acct_1")
        assert (answer.status, proxy.asked) == (200, [server.url.removeprefix("https://")])
        assert b"Stripe-Account: acct_1\r\n" in server.requests[0]
        assert stripe.answers == {("", "probe", "200"): 1}
        async with stripe_client(load_settings({"stripe_api_base": server.url})) as stripe:
            with pytest.raises(NotSentError, match="Certificate"):
                await stripe._http.ask("GET", "/v1/account", {})


@pytest.mark.parametrize(("text", "why"), [("no certificate", "no certificate in PEM form"), (None, "No such file")])
def test_a_ca_that_cannot_be_used_is_said(tmp_path, text, why):
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=why):
        stripe_client(load_settings({"stripe_ca_file": str(path)}))

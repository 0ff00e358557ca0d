"""How several brokers are configured, without starting them."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from stripeline.deploy.local.kafka_config import render_properties
from tests.support.broker_cluster import CONTROLLER, BrokerCluster, Layout, _prepared


def properties(found: BrokerCluster, node: int) -> dict[str, str]:
    spec = found.brokers[node].spec
    return dict(line.split("=", 1) for line in render_properties(spec, spec.quorum).splitlines())


async def prepared(folder: Path, layout: Layout) -> BrokerCluster:
    async with AsyncExitStack() as stack:
        return await _prepared(folder, lambda _: None, layout, stack)


async def test_three_brokers_have_one_controller_and_three_replicas(tmp_path: Path):
    found = await prepared(tmp_path, Layout())
    assert found.controller is not None
    assert found.controller.spec.node_id == CONTROLLER
    rendered = [properties(found, node) for node in found.brokers]
    assert [one["node.id"] for one in rendered] == ["1", "2", "3"]
    assert len({one["controller.quorum.bootstrap.servers"] for one in rendered}) == 1
    assert {one["process.roles"] for one in rendered} == {"broker"}
    for name in ("default.replication.factor", "offsets.topic.replication.factor"):
        assert {one[name] for one in rendered} == {"3"}
    assert {one["min.insync.replicas"] for one in rendered} == {"2"}
    assert {one["transaction.state.log.min.isr"] for one in rendered} == {"2"}
    assert {one["broker.session.timeout.ms"] for one in rendered} == {"9000"}


async def test_combined_brokers_are_their_own_quorum(tmp_path: Path):
    found = await prepared(tmp_path, Layout(combined=True, linked=True))
    assert found.controller is None
    rendered = properties(found, 2)
    assert rendered["process.roles"] == "broker,controller"
    assert rendered["listeners"].count("CONTROLLER://") == 1
    assert len(rendered["controller.quorum.bootstrap.servers"].split(",")) == 3


@pytest.mark.parametrize("node", [1, 2, 3])
async def test_each_broker_meets_the_others_behind_links(tmp_path: Path, node: int):
    found = await prepared(tmp_path, Layout(linked=True))
    hosts = dict(
        reversed(line.split()[:2]) for line in (tmp_path / f"hosts-{node}").read_text().splitlines() if line.strip()
    )
    others = [other for other in found.brokers if other != node]
    assert {hosts[f"broker-{other}"] for other in others} == {found.links[node, other].host for other in others}
    assert hosts[f"broker-{node}"] == "127.0.0.1"
    assert len({link.host for link in found.links.values()}) == 6
    inside = properties(found, node)["advertised.listeners"].rpartition(":")[2]
    assert {found.links[other, node].port for other in others} == {int(inside)}


async def test_clients_meet_a_proxied_broker_behind_its_proxy(tmp_path: Path):
    found = await prepared(tmp_path, Layout(brokers=2, replication=1, min_isr=1, proxied=True))
    ports = [str(proxy.port) for proxy in found.proxies.values()]
    assert [address.rpartition(":")[2] for address in found.bootstrap_servers.split(",")] == ports
    assert [properties(found, node)["advertised.listeners"].rpartition(":")[2] for node in (1, 2)] == ports

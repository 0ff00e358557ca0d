"""Installs, upgrades and rolls the chart back on a real API server, and holds every rendering against it.

python -m tests.deploy.kubernetes FOLDER

The servers are built in FOLDER once. Helm is its own SDK. A thread ends the hooks' Jobs, which a controller would do.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import helm_python

from stripeline.contracts.topics import Topics
from stripeline.deploy.kubernetes.strimzi import PROCESSES, topic_resources, user_resources
from tests.deploy.kubernetes.api import Api, RefusedError, definition
from tests.deploy.kubernetes.servers import KUBERNETES, built, serving
from tests.support.chart import CHART, render, with_values
from tests.support.chart_values import EVERY, PIECES

SCHEMAS = Path(__file__).parents[1] / "schemas"
JOBS = "/apis/batch/v1/namespaces/prod/jobs"
NOW = "2026-01-01T00:00:00Z"


def say(started: float, text: str) -> None:
    print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)


@contextmanager
def jobs_end(api: Api) -> Iterator[None]:
    """Every Job is done soon after it was made."""
    over = threading.Event()

    def controller() -> None:
        while not over.wait(0.2):
            for job in api.get(JOBS)["items"]:
                if not job.get("status", {}).get("completionTime"):
                    done = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
                    status = {"startTime": NOW, "completionTime": NOW, "succeeded": 1, "conditions": done}
                    api.change(f"{JOBS}/{job['metadata']['name']}/status", {"status": status})

    thread = threading.Thread(target=controller)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def refused(act: Callable[[], Any]) -> str:
    try:
        act()
    except (helm_python.HelmError, RefusedError) as error:
        return str(error)
    raise AssertionError("it was not refused")


def prepare(api: Api) -> None:
    """What a cluster has before the chart comes: operators' definitions, Secrets, a namespace with strict pods."""
    strict = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": strict}})
    high = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000}
    api.create(high)
    for path in sorted(SCHEMAS.glob("*.json")):
        custom = definition(path.stem, json.loads(path.read_text(encoding="utf-8")))
        api.create(custom)
        until(partial(served, api, custom))
    for name in ("stripeline", "stripeline-router", "kafka-cluster-ca-cert", "console-tokens"):
        api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})


def served(api: Api, custom: Any) -> bool:
    names = custom["spec"]["names"]["plural"], custom["spec"]["versions"][0]["name"]
    return names[0] in api.text(f"/apis/{custom['spec']['group']}/{names[1]}")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except RefusedError:
            pass  # not served yet
        time.sleep(0.1)
    raise AssertionError("the server does not serve a definition that it took")


def judged(api: Api, started: float) -> None:
    """Server-side validation, without creating anything."""
    rendered = {json.dumps(one, sort_keys=True) for values in EVERY.values() for one in render(values)}
    users = user_resources(PROCESSES, Topics(), "kafka", authentication="tls")
    made = [*map(json.loads, rendered), *topic_resources(Topics(), 12, "kafka"), *users]
    for manifest in made:
        api.create(manifest, dry=True)
    say(started, f"{len(made)} manifests are what the server takes, unknown fields refused")
    for kind, wrong in (("StatefulSet", {"replicaz": 1}), ("ScaledObject", {"minReplicas": 1})):
        one = next(dict(manifest) for manifest in made if manifest["kind"] == kind)
        spoiled = one | {"spec": one["spec"] | wrong}
        words = refused(partial(api.create, spoiled, dry=True))
        say(started, f"a wrong {kind} is refused: {words[:90]}")


def released(api: Api, started: float) -> None:
    """Install, upgrade, refused upgrades, rollback, uninstall."""

    def workers(role: str = "router") -> Any:
        return api.get(f"/apis/apps/v1/namespaces/prod/statefulsets/acme-stripeline-{role}")["spec"]

    base = with_values(PIECES["scram"], PIECES["network policy"])
    with helm_python.Config(kubeconfig_content=api.kubeconfig(), namespace="prod") as helm, jobs_end(api):
        helm.install(CHART, "acme", base)
        assert workers()["replicas"] == 2
        kept = api.get("/api/v1/namespaces/prod/configmaps/acme-stripeline-topics")
        assert kept["data"] == {"partitions": "8", "prefix": "stripe."}
        assert api.get(JOBS)["items"] == [], "the Job of the hook is gone once it is done"
        say(started, "installed, with the topics' Job as a hook before it")

        first = workers("executor")["template"]["metadata"]["annotations"]["stripeline/secret-versions"]
        api.change("/api/v1/namespaces/prod/secrets/stripeline", {"stringData": {"STRIPELINE_MASTER_KEY": "bmV3"}})
        more = with_values({"router": {"replicas": 3}}, base=base)
        helm.upgrade(CHART, "acme", more)
        second = workers("executor")["template"]["metadata"]["annotations"]["stripeline/secret-versions"]
        assert (workers()["replicas"], first != second) == (3, True)
        say(started, f"upgraded; a changed Secret rolls its readers: {first} -> {second}")

        for setting, value in (("STRIPELINE_PARTITIONS", 16), ("STRIPELINE_TOPIC_PREFIX", "new.")):
            changed = with_values({"config": {setting: value}}, base=more)
            words = refused(partial(helm.upgrade, CHART, "acme", changed))
            assert f"config.{setting} is" in words, words
            say(started, f"an upgrade with another {setting} is refused")
        assert workers()["replicas"] == 3

        helm.rollback("acme", version=1)
        assert workers()["replicas"] == 2
        say(started, "rolled back")

        helm.uninstall("acme")
        assert refused(workers).endswith("not found")
        again = with_values({"config": {"STRIPELINE_PARTITIONS": 16}}, base=base)
        assert "config.STRIPELINE_PARTITIONS is" in refused(lambda: helm.install(CHART, "acme", again))
        helm.install(CHART, "acme", base)
        say(started, "uninstalled; installed again, with the same partitions only")


def main(folder: Path) -> None:
    binaries = built(folder)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary, serving(binaries, Path(temporary)) as api:
        say(started, f"Kubernetes {KUBERNETES} is ready")
        prepare(api)
        judged(api, started)
        released(api, started)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

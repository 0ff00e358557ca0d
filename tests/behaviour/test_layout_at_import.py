"""Importing a module of the product does nothing: no connection, no thread, no process, no file of ours.

A command's `--help`, a test that is collected and a tool that reads types import all of it.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("stripeline.contracts", "stripeline.ingest", "stripeline.workers", "stripeline.deploy")
RUNS_WHEN_IMPORTED = "stripeline.deploy.__main__"  # `python -m stripeline.deploy` is meant to

WATCH = """
import importlib, os, pkgutil, sys, threading

root, here, skipped, *packages = sys.argv[1:]
sys.path.insert(0, root)
ours = (os.path.realpath(root) + os.sep, os.path.realpath(here) + os.sep)
effects = []
NEVER = {"socket.connect", "socket.bind", "socket.sendto", "subprocess.Popen", "os.system", "os.fork", "os.exec",
         "os.posix_spawn", "os.mkdir", "os.remove", "os.rename", "os.putenv", "os.unsetenv"}

def is_ours(path):
    # The virtual environment may lie in the checkout; what is in it is not ours.
    path = os.path.realpath(path)
    return path.startswith(ours) and "site-packages" not in path and not path.startswith(sys.prefix + os.sep)

def hook(event, args):
    if event in NEVER:
        effects.append(event)
    elif event == "open" and isinstance(args[0], (str, bytes)):
        path, _, flags = args
        path = os.fsdecode(path)
        if flags & (os.O_WRONLY | os.O_RDWR) or (is_ours(path) and not path.endswith((".py", ".pyc"))):
            effects.append(f"open {path}")

def start(thread):
    effects.append("thread")

threading.Thread.start = start
sys.addaudithook(hook)
for package in packages:
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, package + "."):
        if module.name == skipped:
            continue
        before = len(effects)
        importlib.import_module(module.name)
        for effect in effects[before:]:
            print(f"{module.name}: {effect}")
    print(f"imported {package}")
"""


def effects_of_importing(root: Path, here: Path, *packages: str) -> list[str]:
    """What happens when every module of these packages is imported, in a process of its own, in a folder `here`."""
    # A module that reads its settings while it is imported stumbles over these.
    (here / ".env").write_text("STRIPELINE_PARTITIONS=rubbish\n")
    environment = {"STRIPELINE_PARTITIONS": "rubbish", "STRIPELINE_MASTER_KEY": "rubbish"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCH, str(root), str(here), RUNS_WHEN_IMPORTED, *packages],
        cwd=here, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("imported ")] == [f"imported {package}" for package in packages]
    return [line for line in lines if not line.startswith("imported ")]


def test_importing_everything_does_nothing(tmp_path):
    assert effects_of_importing(ROOT / ".dev", tmp_path, *PACKAGES) == []


def test_the_check_sees_each_effect(tmp_path):
    bad = {
        "connects": "import socket\nsocket.socket().connect_ex(('127.0.0.1', 1))",
        "listens": "import socket\nsocket.socket().bind(('127.0.0.1', 0))",
        "reads": "open('.env').read()",
        "runs": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])",
        "sets": "import os\nos.environ['A'] = 'b'",
        "threads": "import threading\nthreading.Thread(target=print).start()",
        "writes": "open('made', 'w')",
    }
    package, here = tmp_path / "bad_example", tmp_path / "here"
    package.mkdir()
    here.mkdir()
    (package / "__init__.py").write_text("")
    for name, source in bad.items():
        (package / f"{name}.py").write_text(textwrap.dedent(source))
    found = effects_of_importing(tmp_path, here, "bad_example")
    assert {line.partition(":")[0].removeprefix("bad_example.") for line in found} == set(bad)


def test_commands_import_no_server_database_or_task():
    """Scripts call the command line often: what only a process needs costs each call as much again."""
    heavy = ("aiohttp", "cel", "jinja2", "sqlalchemy", "stripeline.workers.kafka.task")
    script = f"""
        import sys
        from stripeline.deploy.cli.app import app_for
        for name in ("topics", "status", "dead-letters", "events"):
            app_for((name,))
        print(*(module for module in {heavy} if module in sys.modules))
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == ""


def test_apply_imports_no_client_to_stripe_and_no_tracebacks():
    """It is run for each tenant, and most files have no new key."""
    heavy = (
        "stripeline.workers.stripe.api", "stripeline.deploy.operations.status.workers", "cryptography.x509",
        "rich.console", "rich.traceback", "aiohttp",
    )  # fmt: skip
    script = f"""
        import sys
        from stripeline.deploy.cli import main
        try:
            main(sys.argv[1:])
        finally:
            print("imported:", *(module for module in {heavy} if module in sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), "apply", "nowhere.yaml"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "nowhere.yaml" in found.stderr
    assert found.stdout.splitlines()[-1] == "imported:"


def test_help_and_version_import_no_settings_and_no_kafka():
    """They take a fifth of a second of CPU; the rest takes a whole one."""
    heavy = ("pydantic", "aiokafka", "uvloop", "asyncio", "structlog", "stripeline.deploy.settings.settings")
    script = f"""
        import sys
        from stripeline.deploy.cli import main
        try:
            main(sys.argv[1:])
        finally:
            print("imported:", *(module for module in {heavy} if module in sys.modules))
    """
    for option in ("--help", "--version"):
        command = [sys.executable, "-c", textwrap.dedent(script), option]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert found.stdout.splitlines()[-1] == "imported:"

"""The CEL engine is loaded without the command line of its package: this fails on an upgrade that needs it."""

import subprocess
import sys
import textwrap


def test_the_engine_works_without_its_command_line():
    script = """
        import sys
        from stripeline.workers.router.cel_internals import engine
        assert engine().compile("a + 1").execute({"a": 2}) == 3
        assert engine() is engine()
        print(*(name for name in ("cel.cli", "prompt_toolkit", "typer") if name in sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

"""The README's Python runs as it stands, and its commands name what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_blocks_run(block):
    exec(compile(block, "README.md", "exec"), {})


def test_the_first_command_is_the_main_job_and_the_second_the_tests():
    assert len(COMMANDS) == 2
    assert "examples/compare_searches.py" in COMMANDS[0]
    assert COMMANDS[1].strip().endswith("-m pytest -n logical --dist loadfile")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_set_up_everything_with_constraints(command):
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -c constraints.txt")
    for path in re.findall(r"examples/\w+\.py|constraints\.txt", command):
        assert (ROOT / path).exists(), path

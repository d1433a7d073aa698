"""A process says that it is ready; who is dead says nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_node import readiness

ANNOUNCE = (
    "from pathlib import Path; from dicom_node import readiness; readiness.announce(Path({folder!r}), 'scp')"
)


def test_what_was_announced_is_read_until_it_is_withdrawn(tmp_path: Path) -> None:
    assert readiness.read(tmp_path, "scp") is None
    readiness.announce(tmp_path, "scp", port=104)
    said = readiness.read(tmp_path, "scp")
    assert said is not None
    assert (said.process, said.port) == ("scp", 104)
    assert readiness.read(tmp_path, "web") is None
    readiness.withdraw(tmp_path, "scp")
    assert readiness.read(tmp_path, "scp") is None
    readiness.withdraw(tmp_path, "scp")


def test_the_successor_replaces_what_its_predecessor_said(tmp_path: Path) -> None:
    readiness.announce(tmp_path, "scp", port=1)
    readiness.announce(tmp_path, "scp", port=2)
    said = readiness.read(tmp_path, "scp")
    assert said is not None
    assert said.port == 2
    assert [path.name for path in tmp_path.iterdir()] == ["scp.ready.json"]


def test_a_process_that_died_is_not_ready(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ANNOUNCE.format(folder=str(tmp_path))], check=True)
    assert (tmp_path / "scp.ready.json").exists()
    assert readiness.read(tmp_path, "scp") is None


@pytest.mark.parametrize("text", ["", "{", "{}", "[]"])
def test_a_file_that_is_no_announcement_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "scp.ready.json").write_text(text)
    assert readiness.read(tmp_path, "scp") is None


def test_a_pid_that_belongs_to_somebody_else_by_now_says_nothing(tmp_path: Path) -> None:
    """As after a restart of a container, whose processes get the same small pids again."""
    readiness.announce(tmp_path, "scp")
    path = tmp_path / "scp.ready.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "started": said["started"] - 1}))
    assert readiness.read(tmp_path, "scp") is None


def test_a_dead_child_that_nobody_waited_for_is_not_ready(tmp_path: Path) -> None:
    code = f"{ANNOUNCE.format(folder=str(tmp_path))}; import os; os.write(1, b'!'); os.read(0, 1)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.read(1) == b"!"
        assert readiness.read(tmp_path, "scp") is not None
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert readiness.read(tmp_path, "scp") is None

"""A supervised tree of real processes: order, restarts, backoff, clean and unclean ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DRIVE = Path(__file__).with_name("drive.py")


@dataclass(frozen=True)
class Noted:
    what: str
    name: str
    pid: int
    at: float


@dataclass
class Tree:
    folder: Path
    process: subprocess.Popen[str]

    def story(self) -> list[Noted]:
        path = self.folder / "story"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Noted(w, n, int(p), float(t)) for w, n, p, t in (line.split() for line in lines)]

    def noted(self, what: str, name: str) -> list[Noted]:
        return [one for one in self.story() if (one.what, one.name) == (what, name)]

    def pids(self) -> set[int]:
        return {one.pid for one in self.story()}

    def wait_until_up(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


Grow = Callable[..., Tree]


@pytest.fixture
def grow(tmp_path: Path) -> Iterator[Grow]:
    grown: list[Tree] = []

    def start(*stages: str) -> Tree:
        process = subprocess.Popen(
            [sys.executable, str(DRIVE), str(tmp_path), *stages],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        tree = Tree(tmp_path, process)
        grown.append(tree)
        return tree

    yield start
    for tree in grown:
        tree.process.kill()
        tree.process.wait()
        assert tree.process.stdout is not None
        tree.process.stdout.close()


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = 15) -> None:
    until = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_stage_starts_when_the_one_before_is_ready(grow: Grow) -> None:
    tree = grow("broker:slow", "dispatcher:plain,web:slow", "scp:plain")
    assert tree.wait_until_up() == "up broker dispatcher web scp"
    at = {(one.what, one.name): one.at for one in tree.story()}
    assert at["ready", "broker"] < min(at["start", "dispatcher"], at["start", "web"])
    assert max(at["ready", "dispatcher"], at["ready", "web"]) < at["start", "scp"]


def test_a_clean_stop_goes_backwards_and_leaves_no_process(grow: Grow) -> None:
    tree = grow("broker:plain", "dispatcher:plain,web:plain", "scp:plain")
    tree.wait_until_up()
    assert tree.stop() == 0
    stopped = [one.name for one in tree.story() if one.what == "stop"]
    assert stopped[0] == "scp"
    assert set(stopped[1:3]) == {"dispatcher", "web"}
    assert stopped[3:] == ["broker"]
    assert not any(is_alive(pid) for pid in tree.pids())
    assert list(tree.folder.glob("*.ready.json")) == []


def test_a_killed_child_is_started_again(grow: Grow) -> None:
    tree = grow("dispatcher:plain", "scp:plain")
    tree.wait_until_up()
    (first,) = tree.noted("ready", "dispatcher")
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: len(tree.noted("ready", "dispatcher")) == 2, "the second start")
    second = tree.noted("ready", "dispatcher")[1]
    assert second.pid != first.pid
    assert len(tree.noted("start", "scp")) == 1
    assert tree.stop() == 0


def test_what_an_ended_child_had_started_ends_with_it(grow: Grow) -> None:
    tree = grow("worker:parent")
    tree.wait_until_up()
    (worker,) = tree.noted("ready", "worker")
    grandchild = int((tree.folder / "grandchild").read_text())
    assert is_alive(grandchild)
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(grandchild), "the end of the grandchild")


def test_children_die_with_their_parent(grow: Grow) -> None:
    tree = grow("broker:plain", "dispatcher:stubborn,web:plain")
    tree.wait_until_up()
    assert all(is_alive(pid) for pid in tree.pids())
    tree.process.kill()
    tree.process.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in tree.pids()), "the end of all children")


def test_a_child_that_does_not_end_is_killed_after_its_time(grow: Grow) -> None:
    tree = grow("worker:stubborn")
    tree.wait_until_up()
    started = time.monotonic()
    assert tree.stop() == 0
    assert time.monotonic() - started >= 0.5
    assert not any(is_alive(pid) for pid in tree.pids())


def test_a_second_signal_does_not_wait_for_the_drain(grow: Grow) -> None:
    tree = grow("broker:plain", "worker:stubborn")
    tree.wait_until_up()
    tree.process.send_signal(signal.SIGTERM)
    wait_for(lambda: tree.noted("stop", "worker"), "the first signal to arrive")
    noted = tree.noted("stop", "worker")[0].at
    assert tree.stop() == 0
    assert time.monotonic() - noted < 0.45
    assert not any(is_alive(pid) for pid in tree.pids())


def test_the_pauses_between_starts_double_up_to_the_longest(grow: Grow) -> None:
    tree = grow("worker:plain")
    tree.wait_until_up()
    (tree.folder / "worker.broken").touch()
    os.kill(tree.noted("ready", "worker")[0].pid, signal.SIGKILL)
    wait_for(lambda: len(tree.noted("start", "worker")) >= 6, "five starts in vain")
    gaps = [after.at - before.at for before, after in pairwise(tree.noted("start", "worker")[1:])]
    assert gaps[0] >= 0.2
    assert all(gap >= 0.4 for gap in gaps[1:])
    assert min(gaps[1:]) < 0.8


def test_a_child_that_works_again_stays(grow: Grow) -> None:
    tree = grow("worker:plain")
    tree.wait_until_up()
    broken = tree.folder / "worker.broken"
    broken.touch()
    os.kill(tree.noted("ready", "worker")[0].pid, signal.SIGKILL)
    wait_for(lambda: len(tree.noted("start", "worker")) >= 3, "two starts in vain")
    broken.unlink()
    wait_for(lambda: len(tree.noted("ready", "worker")) == 2, "a start that works")
    assert tree.stop() == 0


def test_a_child_that_the_system_cannot_start_is_tried_again_and_the_others_live(
    grow: Grow, tmp_path: Path
) -> None:
    interpreter = tmp_path / "python"
    interpreter.symlink_to(Path(sys.executable).resolve())
    tree = grow("worker:linked", "scp:plain")
    tree.wait_until_up()
    interpreter.unlink()
    os.kill(tree.noted("ready", "worker")[0].pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(tree.noted("ready", "worker")[0].pid), "the end of the worker")
    refused_twice = time.monotonic() + 0.3
    wait_for(lambda: time.monotonic() > refused_twice, "two starts that the system refuses")

    interpreter.symlink_to(Path(sys.executable).resolve())

    wait_for(lambda: len(tree.noted("ready", "worker")) == 2, "a start that works")
    assert len(tree.noted("start", "scp")) == 1
    assert tree.stop() == 0


def test_a_start_that_cannot_work_is_given_up_and_leaves_no_process(grow: Grow) -> None:
    tree = grow("broker:plain", "dispatcher:plain,web:broken", "scp:plain")
    assert tree.wait_until_up() == "failed: web ended 3 times before it was ready"
    assert tree.process.wait(timeout=20) == 1
    assert tree.noted("start", "scp") == []
    assert not any(is_alive(pid) for pid in tree.pids())


def test_a_process_that_never_says_it_is_ready_is_named(grow: Grow) -> None:
    tree = grow("broker:plain", "dispatcher:silent")
    assert tree.wait_until_up() == "failed: dispatcher not ready in time"
    assert tree.process.wait(timeout=20) == 1


def test_a_stop_while_starting_stops(grow: Grow) -> None:
    tree = grow("broker:plain", "dispatcher:silent", "scp:plain")
    wait_for(lambda: tree.noted("start", "dispatcher"), "the second stage")
    assert tree.stop() == 0
    assert tree.wait_until_up() == ""
    assert tree.noted("start", "scp") == []
    assert not any(is_alive(pid) for pid in tree.pids())


def test_the_port_of_the_first_start_is_kept(grow: Grow) -> None:
    tree = grow("scp:plain")
    tree.wait_until_up()
    (first,) = tree.noted("ready", "scp")
    assert b"PORT=4711" not in Path(f"/proc/{first.pid}/environ").read_bytes()
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: len(tree.noted("ready", "scp")) == 2, "the second start")
    assert b"PORT=4711" in Path(f"/proc/{tree.noted('ready', 'scp')[1].pid}/environ").read_bytes()


def test_an_idle_tree_uses_no_processor_time(grow: Grow) -> None:
    tree = grow("broker:plain", "scp:plain")
    tree.wait_until_up()
    stat = Path(f"/proc/{tree.process.pid}/stat")

    def switches() -> int:
        status = Path(f"/proc/{tree.process.pid}/status").read_text()
        return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)

    wait_for(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "S", "the tree to sleep")
    before, until = switches(), time.monotonic() + 0.5
    wait_for(lambda: time.monotonic() > until, "half a second")
    assert switches() - before <= 2

"""The archive: written once, durable before anyone is told, and nothing outside its folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dicom_node.archive import Archive
from dicom_node.errors import ArchiveCorrupted, OutOfResources
from tests.peers.programs import require

UID = "1.2.826.0.1.3680043.10.1"


def files(archive: Archive) -> list[Path]:
    return [path for path in archive.root.rglob("*") if path.is_file()]


def test_what_is_put_is_read_back(archive: Archive) -> None:
    relative, sha256 = archive.put(UID, b"content")
    assert sha256 == hashlib.sha256(b"content").hexdigest()
    assert archive.path(relative).read_bytes() == b"content"
    assert archive.verified(relative, sha256) == archive.path(relative)
    assert relative.endswith(f"/{UID}-{sha256[:16]}.dcm")


def test_the_same_content_again_is_the_same_file(archive: Archive) -> None:
    assert archive.put(UID, b"content") == archive.put(UID, b"content")
    assert len(files(archive)) == 1


def test_another_content_under_the_same_uid_leaves_the_first_as_it_is(archive: Archive) -> None:
    first, sha256 = archive.put(UID, b"content")
    second, _ = archive.put(UID, b"another")
    assert first != second
    assert archive.verified(first, sha256).read_bytes() == b"content"


def test_many_writers_of_one_instance_leave_one_whole_file(archive: Archive) -> None:
    together, content = threading.Barrier(8), os.urandom(300_000)

    def write(_: int) -> str:
        together.wait(timeout=10)
        return archive.put(UID, content)[0]

    with ThreadPoolExecutor(8) as writers:
        (relative,) = set(writers.map(write, range(8)))
    assert archive.path(relative).read_bytes() == content
    assert len(files(archive)) == 1


@pytest.mark.parametrize("uid", ["../../escaped", "/etc/passwd", "1.2/../../x", "", "1.2\x00", "a" * 300])
def test_a_name_that_is_no_uid_is_not_written(archive: Archive, tmp_path: Path, uid: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="not a UID"):
        archive.put(uid, b"content")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_is_missing_or_changed_is_told(archive: Archive) -> None:
    relative, sha256 = archive.put(UID, b"content")
    archive.path(relative).write_bytes(b"c0ntent")
    with pytest.raises(ArchiveCorrupted, match="digest"):
        archive.verified(relative, sha256)
    archive.discard(relative)
    with pytest.raises(ArchiveCorrupted, match="missing"):
        archive.path(relative)


def test_leftovers_of_receptions_that_died_are_removed(archive: Archive) -> None:
    kept, _ = archive.put(UID, b"content")
    archive.new_incoming().write_bytes(b"half")
    assert archive.remove_leftovers() == 1
    assert files(archive) == [archive.path(kept)]


def test_an_archive_is_opened_again_with_what_it_held(archive: Archive) -> None:
    relative, sha256 = archive.put(UID, b"content")
    assert Archive(archive.root).verified(relative, sha256)


def test_below_the_minimum_of_free_space_nothing_is_taken(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    Archive(tmp_path / "enough", minimum_free_bytes=free // 2).check_free_space()
    with pytest.raises(OutOfResources, match="free space"):
        Archive(tmp_path / "scarce", minimum_free_bytes=free * 2).check_free_space()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine does not let a test mount a file system")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_a_full_disk_is_out_of_resources_and_keeps_nothing_half(small_disk: Path) -> None:
    archive = Archive(small_disk)
    kept: list[tuple[str, str, bytes]] = []

    def fill() -> None:
        for number in range(100):
            content = os.urandom(500_000)
            kept.append((*archive.put(f"{UID}.{number}", content), content))

    with pytest.raises(OutOfResources, match="cannot be written"):
        fill()
    assert 0 < len(kept) < 9
    assert all(archive.verified(relative, sha256).read_bytes() == said for relative, sha256, said in kept)
    assert len(files(archive)) == len(kept)
    archive.discard(kept[0][0])
    archive.put(f"{UID}.1000", os.urandom(300_000))


def test_the_bytes_are_synced_before_they_get_their_name_and_the_folder_after(
    archive: Archive, tmp_path: Path
) -> None:
    """As the kernel saw it: a power cut leaves the old state or the new one, never a name without bytes."""
    strace = require("strace")
    code = (
        "from pathlib import Path; from dicom_node.archive import Archive; "
        f"Archive(Path({str(archive.root)!r})).put({UID!r}, b'x')"
    )
    trace = tmp_path / "trace"
    watch = [strace, "-f", "-e", "trace=fsync,rename", "-o", trace]
    subprocess.run([*watch, sys.executable, "-c", code], check=True, timeout=60)
    calls = [line.split()[1].split("(")[0] for line in trace.read_text().splitlines() if "(" in line]
    assert calls[-3:] == ["fsync", "rename", "fsync"]

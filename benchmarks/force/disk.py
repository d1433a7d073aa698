"""A small disk of its own for a node, which can be filled to the last byte."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder, and whether it lies on a file system that may be filled."""

    folder: Path
    kind: str
    """``ext4`` on a loop device (syncs are real), ``tmpfs``, or empty where neither can be mounted."""

    @property
    def can_be_filled(self) -> bool:
        return bool(self.kind)

    def fill(self) -> None:
        """Write until there is no space left."""
        with suppress(OSError), (self.folder / "balloon").open("wb", buffering=0) as balloon:
            free = os.fstatvfs(balloon.fileno())
            os.posix_fallocate(balloon.fileno(), 0, max(1, free.f_bavail * free.f_frsize - _CHUNK))
            balloon.seek(0, os.SEEK_END)
            while True:
                balloon.write(b"\0" * _CHUNK)

    def empty(self) -> None:
        (self.folder / "balloon").unlink(missing_ok=True)


@contextmanager
def small_disk(home: Path, megabytes: int) -> Iterator[Disk]:
    """Mount a small file system for a while; a plain folder where that is not permitted."""
    folder = home / "disk"
    folder.mkdir(parents=True)
    kind = _mount(home, folder, megabytes) if os.geteuid() == 0 else ""
    try:
        yield Disk(folder, kind)
    finally:
        if kind:
            _run("umount", "--lazy", folder)


def _mount(home: Path, folder: Path, megabytes: int) -> str:
    image = home / "disk.ext4"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    if _run("mkfs.ext4", "-q", "-F", "-m", "0", image) and _run("mount", "-o", "loop", image, folder):
        return "ext4"
    image.unlink()
    if _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder):
        return "tmpfs"
    return ""


def _run(*words: str | Path) -> bool:
    try:
        done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0

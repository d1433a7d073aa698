"""A program in a network namespace of its own, reached over a private link.

Orthanc listens on every interface. In its own namespace those are its loopback and one end of a veth pair
whose other end is ours, so that nobody else reaches it. The namespace has no name: it goes with its process.
"""

import os
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.peers.programs import require, unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateProcess:
    """A running program and the two ends of the link to it."""

    process: subprocess.Popen[bytes]
    our_address: str
    """Where the program reaches servers of ours that bind to it."""
    its_address: str

    def set_link(self, state: Literal["up", "down"]) -> None:
        """Cut or mend the link at the program's end."""
        inside = ("nsenter", f"--net=/proc/{self.process.pid}/ns/net")
        _ip("link", "set", "peer0", state, before=inside)


@contextmanager
def in_private_network(
    command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str]
) -> Iterator[PrivateProcess]:
    """Run the command in a network namespace of its own for a while; needs root and veth."""
    if os.geteuid() != 0:
        unavailable("a network namespace of its own needs root")
    waiting = ("sh", "-c", 'echo ready && read -r _ && exec "$@"', "sh", *map(str, command))
    with log.open("wb") as messages:
        process = subprocess.Popen(
            # The namespace must not outlive us, whatever happens to us.
            [require("setpriv"), "--pdeathsig", "KILL", require("unshare"), "--net", *waiting],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            env=dict(environment),
        )
    assert process.stdin is not None
    assert process.stdout is not None
    link = None
    try:
        if process.stdout.readline() != b"ready\n":
            unavailable(f"no network namespace: {log.read_text().strip()}")
        link, ours, its = _connect(process.pid)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        yield PrivateProcess(process=process, our_address=ours, its_address=its)
    finally:
        process.kill()  # what it holds is thrown away anyhow
        process.wait()
        process.stdin.close()
        process.stdout.close()
        if link is not None:  # it goes with the namespace, but some time later
            _ip("link", "delete", link, check=False)


def _connect(pid: int) -> tuple[str, str, str]:
    """Lay the link; return its name on our side, our address and the other's, of a /30 of their own."""
    number = random.randrange(1 << 14)
    name, network = f"dicomnode{number}", f"10.254.{number >> 6}."
    ours, its = (f"{network}{(number & 63) * 4 + host}" for host in (1, 2))
    _ip("link", "add", name, "type", "veth", "peer", "name", "peer0", "netns", str(pid))
    _ip("address", "add", f"{ours}/30", "dev", name)
    _ip("link", "set", name, "up")
    inside = ("nsenter", f"--net=/proc/{pid}/ns/net")
    _ip("link", "set", "lo", "up", before=inside)
    _ip("address", "add", f"{its}/30", "dev", "peer0", before=inside)
    _ip("link", "set", "peer0", "up", before=inside)
    return name, ours, its


def _ip(*words: str, before: Sequence[str] = (), check: bool = True) -> None:
    done = subprocess.run([*before, str(require("ip")), *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        unavailable(f"no private link, ip {' '.join(words)}: {done.stderr.strip()}")

"""A wall clock that can be stepped for one process tree, by a preloaded library that the C compiler makes.

libfaketime 0.9.10 would do, but with it ``time.sleep`` of Python 3.11 fails (EINVAL).
"""

import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_SOURCE = Path(__file__).parent / "clock.c"


@dataclass(slots=True)
class SteppedClock:
    """The offset that the tree sees; its monotonic clock stays, as with a step by NTP."""

    library: Path
    file: Path
    steps: list[int] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process live by this clock."""
        return {"LD_PRELOAD": str(self.library), "CHAOS_CLOCK_OFFSET": str(self.file)}

    def step(self, seconds: int) -> None:
        """Move the clock; every process sees it at once."""
        self.steps.append(seconds)
        self._write()

    def _write(self) -> None:
        with self.file.open("r+b") as shared:
            shared.write(struct.pack("=q", sum(self.steps) * 10**9))


def stepped_clock(home: Path) -> SteppedClock | None:
    """Return a clock that can be stepped; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    clock = SteppedClock(home / "clock.so", home / "clock")
    clock.file.write_bytes(bytes(8))
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", clock.library, _SOURCE]
    subprocess.run(command, check=True)
    return clock

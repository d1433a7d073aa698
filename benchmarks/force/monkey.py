"""The chaos monkey: one fault after another by the dice of a seed, each kind at least once."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.force.hostile import HostilePacs
from benchmarks.force.site import Site
from tests.peers.dcmtk import StoreScp
from tests.peers.orthanc import Orthanc

_PAUSE_S = (0.7, 2.5)
_LASTS_S = (1.0, 3.0)
_CLOCK_STEPS_S = (90, -5, 5, -3)
"""90 s is longer than a lease; backwards as NTP steps a host whose clock ran fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong, for a while when it can be undone."""

    name: str
    do: Callable[[], object]
    """False: there was nothing to do it to just now, and it does not count."""
    undo: Callable[[], object] | None = None


@dataclass(slots=True)
class Monkey:
    """Does faults for a time.

    Programs that it starts again die with the thread that it runs in, which must be that of the site.
    """

    faults: Sequence[Fault]
    seed: int
    lasting_s: float
    counts: Counter[str] = field(default_factory=Counter)
    over_at: float = 0.0
    """Monotonic time at which the last fault was over; 0 until then."""
    _random: random.Random = field(default_factory=random.Random)
    _undone_at: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Do each fault once and then any of them until the time is over; undo what still lasts."""
        self._random.seed(self.seed)
        ends_at = time.monotonic() + self.lasting_s
        first = self._random.sample(list(self.faults), len(self.faults))
        while first or time.monotonic() < ends_at:
            self._do(first.pop() if first else self._random.choice(list(self.faults)))
            self._rest(self._random.uniform(*_PAUSE_S))
        for fault in self.faults:
            if fault.name in self._undone_at and fault.undo:
                fault.undo()
        self.over_at = time.monotonic()

    def _do(self, fault: Fault) -> None:
        if fault.name in self._undone_at or fault.do() is False:
            return
        self.counts[fault.name] += 1
        if fault.undo is not None:
            self._undone_at[fault.name] = time.monotonic() + self._random.uniform(*_LASTS_S)

    def _rest(self, seconds: float) -> None:
        """Wait, and undo meanwhile what lasted long enough."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            for fault in self.faults:
                if fault.undo and now >= self._undone_at.get(fault.name, now + 1):
                    fault.undo()
                    del self._undone_at[fault.name]
            time.sleep(0.05)


def faults_of(site: Site) -> list[Fault]:
    """Return what can go wrong at this site."""
    node, peers = site.node, site.peers
    processes = {
        "kill -9 analysis worker": "analysis-0",
        "kill -9 dispatcher": "dispatcher",
        "kill -9 SCP": "scp",
        "kill -9 delivery worker": "delivery-0",
        "kill -9 broker": "broker",
    }
    faults = [
        *(
            Fault(name=name, do=lambda process=process: node.kill(process))
            for name, process in processes.items()
        ),
        Fault(name="broker FLUSHALL", do=node.flush_broker),
        Fault(name="Orthanc kill -9", do=peers.orthanc.kill, undo=lambda: _revive(peers.orthanc)),
        Fault(name="network cut", do=peers.orthanc.cut, undo=peers.orthanc.mend),
        *hostile_faults(peers.hostile, peers.storescp),
    ]
    if site.postgres is not None:
        faults.append(
            Fault(
                name="PostgreSQL immediate stop", do=site.postgres.stop_immediately, undo=site.postgres.start
            )
        )
    if site.disk.can_be_filled:
        faults.append(Fault(name="disk full", do=site.disk.fill, undo=site.disk.empty))
    if site.clock is not None:
        clock, steps = site.clock, iter(_CLOCK_STEPS_S * 100)
        faults.append(Fault(name="clock step", do=lambda: clock.step(next(steps))))
    return faults


def _revive(orthanc: Orthanc) -> None:
    """Start it again; behind a cut cable nobody would see that it answers."""
    orthanc.mend()
    orthanc.start()


def hostile_faults(hostile: HostilePacs, storescp: StoreScp) -> list[Fault]:
    """Return what goes wrong at the two PACSs that every run has."""
    return [
        Fault(name="PACS down", do=hostile.go_down, undo=hostile.come_up),
        Fault(
            name="PACS rejects associations", do=hostile.reject_associations, undo=hostile.take_associations
        ),
        Fault(name="storescp kill -9", do=storescp.go_down, undo=storescp.come_up),
    ]

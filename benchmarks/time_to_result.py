"""Time to result: association release to report at the PACS, for us and for what else can be installed here.

The sender releases its association, and a C-FIND that is repeated each 10 ms tells when the structured report
is at a real Orthanc. Orthanc + Lua reads nothing: its figure is a pass-through round trip, the floor of any
router that waits for StableAge. As root on Debian, after ``./scripts/setup test-peers``::

    .venv/bin/python benchmarks/time_to_result.py --quick

Ends with 1 if a result of the node did not come.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.turnaround import studies as timed
from benchmarks.turnaround import systems
from benchmarks.turnaround.stages import stages_of
from benchmarks.turnaround.studies import TimedStudy
from dicom_node import scu
from dicom_node.domain.identifiers import AETitle

_WITHIN_S = 120
_TARGETS_S = {"film p50": 1.0, "film p95": 2.0, "CT p50": 15.0}


@dataclass(slots=True)
class Times:
    """Seconds from release to result of one system; None: it did not come."""

    does: str = ""
    film: list[float | None] = field(default_factory=list)
    ct: list[float | None] = field(default_factory=list)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    note: str = ""


def main() -> int:
    """Run, print, and tell by the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="8 films and 1 CT instead of 40 and 5")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--only-node", action="store_true", help="without the peers")
    options = parser.parse_args()
    films, cts = (8, 1) if options.quick else (40, 5)
    with tempfile.TemporaryDirectory(prefix="dn-time-") as folder:
        try:
            results = measure(Path(folder), films, cts, with_peers=not options.only_node)
        except pytest.skip.Exception as reason:
            raise SystemExit(f"a peer is missing: {reason}") from None
    show(results, as_json=options.json)
    ours = results["dicom-node"]
    return 1 if None in ours.film + ours.ct else 0


def measure(home: Path, films: int, cts: int, *, with_peers: bool) -> dict[str, Times]:
    """Time one system after the other; the router with the long StableAge waits beside them."""
    results: dict[str, Times] = {}
    slices = timed.real_ct()
    beside = threading.Thread(target=lambda: results.update(_slow_router(home / "lua60", films)))
    if with_peers:
        beside.start()
    try:
        results["dicom-node"] = _node(home / "node", films, slices, cts)
        if with_peers:
            fast = systems.lua_router(home / "lua1", 1)
            results.update(_system(fast, home / "lua1-studies", films, slices, cts))
            results.update(_ai_router(home / "ai-router", slices, cts))
    finally:
        if with_peers:
            beside.join()
    return results


def _node(home: Path, films: int, slices: list[Path], cts: int) -> Times:
    with systems.our_node(home) as system:
        times = Times(does=system.does)
        run = [("film", timed.films(home / "films", films + 1), times.film)]
        if slices:
            run.append(("CT", timed.cts(home / "cts", slices, cts), times.ct))
        else:
            times.note = "CT skipped: the real series is not here (DICOM_NODE_DATA_DIR)"
        for name, studies, into in run:
            into += [time_to_result(system, study) for study in studies]
            times.stages[name] = stages_of(system.home, [study.study_instance_uid for study in studies])
        del times.film[0]  # warms up
    return times


def _system(
    opened: AbstractContextManager[systems.System], home: Path, films: int, slices: list[Path], cts: int
) -> dict[str, Times]:
    with opened as system:
        times = Times(does=system.does)
        times.film = [time_to_result(system, one) for one in timed.films(home / "films", films)]
        times.ct = (
            [time_to_result(system, one) for one in timed.cts(home / "cts", slices, cts)] if slices else []
        )
        return {system.name: times}


def _slow_router(home: Path, films: int) -> dict[str, Times]:
    """All films at once: each is passed on a StableAge of 60 s later."""
    with systems.lua_router(home, 60) as system:
        times = Times(does=system.does)
        threads = []
        for study in timed.films(home / "films", min(films, 4)):
            threads.append(
                threading.Thread(target=lambda one=study: times.film.append(time_to_result(system, one)))
            )
            threads[-1].start()
        for thread in threads:
            thread.join()
        return {system.name: times}


def _ai_router(home: Path, slices: list[Path], cts: int) -> dict[str, Times]:
    home.mkdir(parents=True)
    times = Times(note="films: IGNORED, its rules and its code take CT only")
    if not slices:
        return {systems.AI_ROUTER: Times(note="not timed: it takes CT only, and no real CT is here")}
    try:
        with systems.ai_router(home) as system:
            times.does = system.does
            times.note += "; CT sent uncompressed, it accepts no JPEG-LS"
            for study in timed.cts(home / "cts", slices, cts):
                times.ct.append(time_to_result(system, timed.decompressed(study, home / "plain")))
    except systems.NotInstallable as reason:
        times.note = f"not timed: {reason}"
    return {systems.AI_ROUTER: times}


def time_to_result(system: systems.System, study: TimedStudy) -> float | None:
    """Send a study and return the seconds from the release to the result; None when it does not come."""
    outcomes = scu.send_instances(list(study.paths), system.receiver, calling_ae_title=AETitle("MODALITY"))
    released = time.monotonic()
    if not all(outcome.accepted for outcome in outcomes):
        sys.stderr.write(f"{system.name} did not take a study: {outcomes[0].comment}\n")
        return None
    arrived = system.arrival.wait(study, _WITHIN_S)
    took = None if arrived is None else arrived - released
    sys.stderr.write(f"{system.name}: {len(study.paths)} instances, {_cell(took)} s\n")
    return took


def percentile(times: list[float | None], share: float) -> float | None:
    """Return the time that such a share did not exceed; what never came counts as longest."""
    if not times:
        return None
    ordered = sorted(float("inf") if one is None else one for one in times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show(results: dict[str, Times], *, as_json: bool) -> None:
    """Print the figures, where the node's time went, and whether its targets are met."""
    figures = {name: figures_of(times) for name, times in results.items()}
    if as_json:
        whole = {
            name: {"figures_s": figures[name], "does": one.does, "note": one.note, "stages_s": one.stages}
            for name, one in results.items()
        }
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return
    console = Console(width=150)
    table = Table("association release to result at the PACS (s)", "what it does", "n", *_FIGURES, "note")
    for name, one in results.items():
        number = f"{len(one.film)} films, {len(one.ct)} CTs"
        table.add_row(
            name, one.does, number, *(_cell(figures[name][figure]) for figure in _FIGURES), one.note
        )
    console.print(table)
    for kind, stages in results["dicom-node"].stages.items():
        told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.items())
        console.print(f"where the node's time goes, {kind}, median s: {told}")
    for figure, target in _TARGETS_S.items():
        took = figures["dicom-node"][figure]
        if took is not None:
            console.print(
                f"{figure} {took:.2f} s, target {target:g} s: {'met' if took <= target else 'MISSED'}"
            )


def figures_of(times: Times) -> dict[str, float | None]:
    """Return p50 and p95 of films and CTs."""
    return {name: calculate(times) for name, calculate in _FIGURES.items()}


_FIGURES: dict[str, Callable[[Times], float | None]] = {
    "film p50": lambda times: percentile(times.film, 0.5),
    "film p95": lambda times: percentile(times.film, 0.95),
    "CT p50": lambda times: percentile(times.ct, 0.5),
    "CT max": lambda times: percentile(times.ct, 1.0),
}


def _cell(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())

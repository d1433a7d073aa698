"""Proof by force: a whole node and its PACSs are shaken while studies come, and everything is counted after.

A ledger-keeping modality sends studies to `dicom-node up` on SQLite and on PostgreSQL; its results go to a
real Orthanc, to DCMTK's storescp, and to a PACS that refuses, delays, aborts and lies. Meanwhile processes
are killed with SIGKILL, the broker is flushed, PostgreSQL stops without a checkpoint, PACSs go down, the
network is cut, the disk is full and the clock is stepped, by the dice of ``--seed``. Beside it Orthanc with
three lines of Lua, the usual router, is shaken in the same way. As root on Debian, after
``./scripts/setup test-peers``::

    .venv/bin/python benchmarks/chaos.py --quick

Ends with 1 if the node lost or doubled anything, or did not end what it began.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.force import lua_router
from benchmarks.force.monkey import Monkey, faults_of
from benchmarks.force.sender import Ledger, Sending
from benchmarks.force.site import DATABASES, site
from benchmarks.force.studies import write_studies
from benchmarks.force.verdict import Verdict, judge, wait_for_all

LUA = "Orthanc + Lua"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything."""

    films: int
    cts: int
    chaos_s: float
    ends_within_s: float
    """After the last fault."""
    seed: int


QUICK = {"films": 22, "cts": 2, "chaos_s": 40.0, "ends_within_s": 40.0}
FULL = {"films": 190, "cts": 10, "chaos_s": 420.0, "ends_within_s": 180.0}


def main() -> int:
    """Run, print, and tell by the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="24 studies a database, within 4 minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--studies", type=int, help="films a database, instead of 190 (quick: 22)")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one")
    parser.add_argument("--with-lua-router", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--keep", type=Path, help="folder that keeps logs and files")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    plan = Plan(**{**(QUICK if options.quick else FULL), "seed": options.seed})
    if options.studies:
        plan = Plan(**{**(QUICK if options.quick else FULL), "films": options.studies, "seed": options.seed})
    home = options.keep or Path(tempfile.mkdtemp(prefix="dn-chaos-"))
    try:
        verdicts = run(home, plan, options.database or list(DATABASES), with_lua=options.with_lua_router)
    except pytest.skip.Exception as reason:
        raise SystemExit(f"a peer is missing: {reason}") from None
    finally:
        if options.keep is None:
            shutil.rmtree(home, ignore_errors=True)
    show(verdicts, plan, as_json=options.json)
    return 0 if all(verdict.is_clean for name, verdict in verdicts.items() if name != LUA) else 1


def run(home: Path, plan: Plan, databases: list[str], *, with_lua: bool) -> dict[str, Verdict]:
    """Shake the node on each database in turn, and the Lua router beside the first."""
    verdicts: dict[str, Verdict] = {}
    threads = []
    if with_lua:
        threads.append(_in_thread(lambda: verdicts.update({LUA: shake_lua(home / "lua", plan)})))
    for database in databases:
        verdicts[f"dicom-node, {database}"] = shake(home / database, database, plan)
    for thread in threads:
        thread.join()
    return dict(sorted(verdicts.items(), key=lambda item: item[0] == LUA))


def shake(home: Path, database: str, plan: Plan) -> Verdict:
    """Send and shake at the same time, wait for the end of everything, and judge."""
    studies = write_studies(home / "studies", films=plan.films, cts=plan.cts)
    with site(home / "site", database, seed=plan.seed) as here, Ledger(home / "ledger") as ledger:
        sending = Sending(
            studies=studies, receiver=here.node.receiver, ledger=ledger, over_s=plan.chaos_s * 0.9
        )
        monkey = Monkey(faults=faults_of(here), seed=plan.seed, lasting_s=plan.chaos_s)
        here.peers.hostile.is_hostile = True
        sending.start()
        monkey.run()
        here.peers.hostile.is_hostile = False
        ended = _follow(
            sending, plan, lambda: wait_for_all(here, sending, monkey.over_at, plan.ends_within_s)
        )
        verdict = judge(here, sending, ended, monkey.over_at)
        verdict.faults = dict(monkey.counts)
        verdict.figures["disk"] = here.disk.kind or "not filled: nothing could be mounted"
        verdict.figures["clock steps (s)"] = here.clock.steps if here.clock else "not stepped: no C compiler"
    return verdict


def _follow(sending: Sending, plan: Plan, wait: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Wait for the studies while the last of them are still sent."""
    finishing = _in_thread(lambda: sending.wait(plan.ends_within_s))
    ended = wait()
    finishing.join()
    return ended


def shake_lua(home: Path, plan: Plan) -> Verdict:
    """The same with the three-line router; its PACSs go on misbehaving while it forwards, a minute later."""
    studies = write_studies(home / "studies", films=plan.films, cts=plan.cts)
    with lua_router.lua_site(home / "site", seed=plan.seed) as here, Ledger(home / "ledger") as ledger:
        sending = Sending(
            studies=studies, receiver=here.router.destination, ledger=ledger, over_s=plan.chaos_s * 0.9
        )
        monkey = Monkey(faults=here.faults(), seed=plan.seed, lasting_s=plan.chaos_s)
        later = Monkey(
            faults=here.faults_of_peers(),
            seed=plan.seed,
            lasting_s=lua_router.STABLE_AGE_S,
            counts=monkey.counts,
        )
        here.hostile.is_hostile = True
        sending.start()
        monkey.run()
        later.run()
        here.hostile.is_hostile = False
        sending.wait(plan.ends_within_s)
        lua_router.wait_for_stability(sending, later.over_at)
        verdict = lua_router.judge_lua(here, sending)
        verdict.faults = dict(monkey.counts)
    return verdict


def _in_thread(do: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=do)
    thread.start()
    return thread


def show(verdicts: dict[str, Verdict], plan: Plan, *, as_json: bool) -> None:
    """Print failures, recovery, figures and faults, a column a system."""
    if as_json:
        sys.stdout.write(json.dumps({name: as_dict(one) for name, one in verdicts.items()}, indent=2) + "\n")
        return
    console = Console(width=150)
    table = Table("", *verdicts, title=f"proof by force, seed {plan.seed}")
    for label in ("failures", "recovery_s", "figures", "faults"):
        table.add_section()
        columns = [as_dict(verdict)[label] for verdict in verdicts.values()]
        for row in dict.fromkeys(key for column in columns for key in column):
            table.add_row(row, *(_cell(column.get(row, "-")) for column in columns))
    console.print(table)
    for name, verdict in verdicts.items():
        for example in verdict.examples:
            console.print(f"{name}: {example}", soft_wrap=True)
        word = "clean" if verdict.is_clean else "NOT clean"
        console.print(f"{name}: {word}", style="bold")


def as_dict(verdict: Verdict) -> dict[str, dict[str, object]]:
    """Return the verdict for people and machines alike."""
    shares = {"recovery p50 (s)": 0.5, "recovery p99 (s)": 0.99, "recovery max (s)": 1.0}
    return {
        "failures": dict(verdict.failures),
        "recovery_s": {name: round(verdict.percentile(share), 1) for name, share in shares.items()},
        "figures": dict(verdict.figures),
        "faults": dict(sorted(verdict.faults.items())),
    }


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {number}" for key, number in value.items())
    return str(value)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started and mounted goes with us
    began = time.monotonic()
    code = main()
    sys.stderr.write(f"ended after {time.monotonic() - began:.0f} s\n")
    raise SystemExit(code)

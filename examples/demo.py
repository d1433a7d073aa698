"""The main job from end to end: studies go in, reports come back over DICOM, and everything can be shown."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from rich.console import Console
from rich.table import Table

from dicom_node.domain.delivery import Destination
from dicom_node.results.tree import render_tree
from examples.demo_peers import Receiver, orthanc_receiver, pynetdicom_receiver
from examples.demo_pictures import write_picture
from examples.demo_studies import DemoStudy, demo_studies
from examples.waiting import wait_until

console = Console(width=150)
STARTED_WITHIN_S = 120
READ_WITHIN_S = 300
SETTLED = {"DONE", "AMENDED"}


def main() -> int:
    """Run the demo; 0 when every study came out as it must."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", choices=["pynetdicom", "orthanc"], default="pynetdicom")
    parser.add_argument("--keep", type=Path, help="folder that keeps the node's data and the results")
    options = parser.parse_args()
    home = options.keep or Path(tempfile.mkdtemp(prefix="dicom-node-demo-"))
    home.mkdir(parents=True, exist_ok=True)
    receive = orthanc_receiver if options.peer == "orthanc" else pynetdicom_receiver
    with receive(home / "pacs") as receiver, node(home, receiver.destination) as port:
        console.print(
            f"node DICOM_NODE@127.0.0.1:{port}, results go to {receiver.destination} ({receiver.title})"
        )
        studies = demo_studies(home / "phantom")
        for study in studies:
            send(study, port)
        items = [finished(home, study, receiver) for study in studies]
        problems = show(studies, items, receiver, home)
    if options.keep is None:
        console.print(f"\nresults stay in {home / 'pacs'}; remove {home} when you have seen them")
    for problem in problems:
        console.print(f"[bold red]{problem}")
    return 1 if problems else 0


@contextmanager
def node(home: Path, destination: Destination) -> Iterator[int]:
    """Run `dicom-node up` on free loopback ports; give the port of its storage SCP."""
    log = (home / "node.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "dicom_node.cli", "up"], env=environment(home, destination), stderr=log
    )
    try:
        port = wait_until(lambda: _ready_port(home, process), STARTED_WITHIN_S, "the node to be ready")
        yield port
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def environment(home: Path, destination: Destination | None = None) -> dict[str, str]:
    """Return the environment of every command of the demo: the embedded default, nothing of the caller's."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("DICOM_NODE_")}
    data = os.environ.get("DICOM_NODE_DATA_DIR")
    return {
        **mine,
        **({"DICOM_NODE_DATA_DIR": data} if data else {}),
        "DICOM_NODE_DATA_HOME": str(home / "node"),
        "DICOM_NODE_SCP_PORT": "0",
        "DICOM_NODE_WEB_PORT": "0",
        "DICOM_NODE_CALLING_AE_TITLES": "MODALITY",
        **({"DICOM_NODE_DESTINATIONS": str(destination)} if destination else {}),
    }


def command(home: Path, *words: str) -> Any:
    """Run a command of the node with ``--json`` and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "dicom_node.cli", *words, "--json"],
        env=environment(home),
        stdout=subprocess.PIPE,
        check=False,
    )
    return json.loads(done.stdout)


def send(study: DemoStudy, port: int) -> None:
    """Send a study in one association, as a modality would."""
    subprocess.run(
        [
            *(sys.executable, "-m", "dicom_node.cli", "send", *map(str, study.paths)),
            *("--to", f"DICOM_NODE@127.0.0.1:{port}", "--from", "MODALITY"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    console.print(f"sent {study.title}: {study.origin}")


def finished(home: Path, study: DemoStudy, receiver: Receiver) -> dict[str, Any]:
    """Wait until the node is done with the study and its results lie at the PACS."""

    def done() -> dict[str, Any] | None:
        found = command(home, "worklist", "--study", study.study_instance_uid)
        if not found or found[0]["state"] not in SETTLED:
            return None
        wanted = 2 * len(found[0]["deliveries"])
        return found[0] if len(receiver.results(study.study_instance_uid)) >= wanted else None

    return wait_until(done, READ_WITHIN_S, f"the result of {study.title}")


def show(studies: list[DemoStudy], items: list[dict[str, Any]], receiver: Receiver, home: Path) -> list[str]:
    """Print the table, a report as a tree, the paths and an audit trail; return what is not as it must be."""
    table = Table("study", "verdict", "probability", "priority", "release to result (s)", "delivery")
    problems = []
    for study, item in zip(studies, items, strict=True):
        analysis = item["analyses"][0]
        analysed = analysis["state"] == "COMPLETED"
        if analysed is not study.must_be_analysed:
            problems.append(f"{study.title} came out as {analysis['state']}")
        states = {delivery["state"] for delivery in item["deliveries"]}
        if analysed and states != {"DELIVERED"}:
            problems.append(f"the result of {study.title} is {states or 'not sent'}")
        table.add_row(
            study.title,
            analysis["impression"]["title"] if analysis["impression"] else analysis["verdict"],
            f"{(analysis['impression'] or analysis['findings'][0])['probability']:.1%}" if analysed else "-",
            str(item["priority"]),
            _seconds(item, receiver) if analysed else "-",
            ", ".join(sorted(states)) or "nothing to deliver",
        )
    console.print(table)
    console.print("Research use, unverified: not for diagnosis.\n", style="bold")
    analysed_items = [item for item in items if item["deliveries"]]
    for number, item in enumerate(analysed_items):
        _show_results(item, receiver, home, with_tree=number == 0)
    if analysed_items:
        _show_audit(home, analysed_items[0]["study_instance_uid"])
    return problems


def _show_results(item: dict[str, Any], receiver: Receiver, home: Path, *, with_tree: bool) -> None:
    for path in receiver.results(item["study_instance_uid"]):
        dataset: Dataset = dcmread(path)
        console.print(f"{dataset.Modality:3} {path}", soft_wrap=True)
        if dataset.Modality == "SR" and with_tree:
            console.print("\n".join(render_tree(dataset)), highlight=False, markup=False, soft_wrap=True)
        if dataset.Modality != "SR":
            picture = write_picture(dataset, home / f"heatmap-{dataset.SOPInstanceUID[-12:]}.png")
            console.print(f"PNG {picture}", soft_wrap=True)


def _show_audit(home: Path, study_instance_uid: str) -> None:
    console.print("\naudit trail of the first analysed study, oldest first")
    table = Table("when (UTC)", "action", "actor", "outcome")
    for event in reversed(command(home, "audit", "--study", study_instance_uid)):
        table.add_row(event["at"], event["action"], event["actor"], event["outcome"])
    console.print(table)


def _seconds(item: dict[str, Any], receiver: Receiver) -> str:
    released = datetime.fromisoformat(item["released_at"])
    arrived = max(receiver.arrived(path) for path in receiver.results(item["study_instance_uid"]))
    return f"{(arrived.astimezone(UTC) - released).total_seconds():.2f}"


def _ready_port(home: Path, process: subprocess.Popen[bytes]) -> int | None:
    if process.poll() is not None:
        sys.stderr.write((home / "node.log").read_text()[-4000:])
        raise SystemExit("the node ended before it was ready")
    run = home / "node" / "run"
    if not (run / "up.ready.json").is_file():
        return None
    port: int = json.loads((run / "scp.ready.json").read_text())["port"]
    return port


if __name__ == "__main__":
    if not Path("pyproject.toml").is_file():
        raise SystemExit("run it from the checkout: ./scripts/demo")
    raise SystemExit(main())

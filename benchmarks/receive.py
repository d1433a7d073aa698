"""C-STORE of CT slices into the node, beside DCMTK storescp and Orthanc in the same run, one sender for all.

Our receiver syncs file and folder and commits a row before it answers; DCMTK syncs nothing, Orthanc runs with
its defaults; both peers with TCP_NODELAY=1. As root on Debian: ``.venv/bin/python -m benchmarks.receive``.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dicom_node import readiness, scu
from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle
from examples.waiting import wait_until
from tests.peers.dcmtk import StoreScp
from tests.peers.orthanc import Orthanc
from tests.synthetic import studies as synthetic

OURS = "dicom-node (durable)"


def main() -> None:
    """Print instances a second of each receiver, in interleaved rounds, and the ratio to ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receivers = {
            OURS: stack.enter_context(node(folder / "node")),
            "DCMTK storescp": stack.enter_context(StoreScp(folder / "storescp")).destination,
            "Orthanc 1.10.1": stack.enter_context(Orthanc()).destination,
        }
        for number in range(options.rounds + 1):
            for name, destination in receivers.items():
                paths = fresh_slices(folder / f"{number}-{uuid.uuid4().hex}", options.instances)
                began = time.perf_counter()
                outcomes = scu.send_instances(paths, destination, calling_ae_title=AETitle("BENCHMARK"))
                rate = len(paths) / (time.perf_counter() - began)
                assert all(outcome.accepted for outcome in outcomes), outcomes[0]
                if number:  # the first round warms up
                    rates.setdefault(name, []).append(rate)
    ours = statistics.median(rates[OURS])
    for name, seen in rates.items():
        median = statistics.median(seen)
        print(
            f"{name:22} {median:6.1f} instances/s [{min(seen):.1f}, {max(seen):.1f}]",
            f"{median / ours:.2f} x ours",
        )


@contextmanager
def node(home: Path) -> Iterator[Destination]:
    """Run the node's SCP alone, on SQLite, for a while."""
    environment = {**os.environ, "DICOM_NODE_DATA_HOME": str(home), "DICOM_NODE_SCP_PORT": "0"}
    command = [sys.executable, "-m", "dicom_node.cli"]
    subprocess.run([*command, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
    with (home.parent / "node.log").open("w") as log:
        process = subprocess.Popen([*command, "serve"], env=environment, stderr=log)
    try:
        said = wait_until(lambda: readiness.read(home / "run", "scp"), 60, "the SCP")
        assert said.port is not None
        yield Destination(ae_title=AETitle("DICOM_NODE"), host="127.0.0.1", port=said.port)
    finally:
        process.terminate()
        process.wait(30)


def fresh_slices(folder: Path, count: int) -> list[Path]:
    """Write CT slices of 525 KB that no receiver has seen."""
    folder.mkdir()
    (template,) = synthetic.ct_series(slices=1, size=512)
    template.StudyInstanceUID, template.SeriesInstanceUID = (f"2.25.{uuid.uuid4().int}" for _ in range(2))
    paths = []
    for number in range(count):
        template.SOPInstanceUID = f"2.25.{uuid.uuid4().int}"
        template.file_meta.MediaStorageSOPInstanceUID = template.SOPInstanceUID
        template.InstanceNumber = str(number + 1)
        paths.append(synthetic.write(template, folder))
    return paths


if __name__ == "__main__":
    main()

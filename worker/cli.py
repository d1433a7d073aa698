"""`dicom-node worker`: run one worker process."""

import signal
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(help="Worker processes: read studies, deliver results.", no_args_is_help=True)


class QueueName(StrEnum):
    """The queues that a worker can serve."""

    ANALYSIS = "analysis"
    DELIVERY = "delivery"


@app.callback()
def worker() -> None:
    """Worker processes: read studies, deliver results."""


@app.command()
def run(
    queue: Annotated[QueueName, typer.Option(help="The queue to serve.")],
    slot: Annotated[
        str, typer.Option(help="Stable name of this worker: its successor takes back what it held.")
    ],
) -> None:
    """Serve one queue until told to stop."""
    from dicom_node.cli.commands import settings_of
    from worker.process import run_analysis_worker, run_delivery_worker

    settings = settings_of(slot)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    match queue:
        case QueueName.ANALYSIS:
            run_analysis_worker(settings, slot)
        case QueueName.DELIVERY:
            run_delivery_worker(settings, slot)

"""Options that several commands share; free of torch."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Name = Annotated[str, typer.Argument(help="Name of a model, as `list` shows it.")]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="Folder of installed weights; the shipped ones by default.")
]
Data = Annotated[
    Path,
    typer.Option(envvar="DICOM_NODE_DATA_DIR", help="Folder of image manifests (cxr.csv, ct.csv)."),
]
Runs = Annotated[Path, typer.Option(help="Folder of checkpoints, logs and decoded pictures.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads within one operation.")]
Out = Annotated[Path | None, typer.Option(help="Run folder of results; below RUNS/experiments by default.")]
Scale = Annotated[
    float, typer.Option(min=0.0001, max=1.0, help="Share of the recipe's epochs; at least one is run.")
]
DEFAULT_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
DEFAULT_RUNS = Path("runs")

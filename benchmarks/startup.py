"""How long `dicom-node --help` takes, beside an empty Python and `import typer` in the same run."""

import statistics
import subprocess
import sys
import time

ROUNDS = 15
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import typer, rich'": [sys.executable, "-c", "import typer, rich.console, rich.table"],
    "dicom-node --help": [sys.executable, "-m", "dicom_node.cli", "--help"],
}


def main() -> None:
    """Print median, best and worst seconds of each command, in interleaved rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    empty = statistics.median(seconds["python -c pass"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(
            f"{name:34} {median:.3f} s [{min(taken):.3f}, {max(taken):.3f}]"
            f"  {median / empty:.1f} x empty Python"
        )


if __name__ == "__main__":
    main()

"""The health check of both images: 0 when what this container runs has said that it is ready, and lives."""

import sys

from dicom_node import readiness
from dicom_node.settings import Settings


def main() -> int:
    """Return the exit code; a container runs one process of the node, whichever it is."""
    run_home = Settings().run_home
    names = [path.name.removesuffix(".ready.json") for path in run_home.glob("*.ready.json")]
    return 0 if names and all(readiness.read(run_home, name) for name in names) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Write DICOM images as the PNG that a model would be shown, for `dicom-node models gate --pictures`.

    python scripts/dicom_pictures.py FOLDER_OF_DICOM OUT [--window -600 1500] [--every 5]

Every grey image becomes ``OUT/<kind>/<number>.png``: ``<kind>`` is its modality and body part. With
``--window`` CT slices are shown through it; without, every image is read as a film. What cannot be read is
named and left out.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from dicom_node.errors import UnreadablePixels
from dicom_node.imaging.radiograph import read_radiograph
from dicom_node.imaging.volume import read_slice

Window = tuple[int, int]


def main() -> None:
    """Read the command line and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--window", type=int, nargs=2, metavar=("CENTRE", "WIDTH"))
    parser.add_argument("--every", type=int, default=1, help="keep one file in so many of a folder")
    given = parser.parse_args()
    window = (given.window[0], given.window[1]) if given.window else None
    for number, path in enumerate(_files(given.folder, given.every)):
        try:
            dataset = pydicom.dcmread(path)
            pixels = shown(dataset, window)
        except (InvalidDicomError, UnreadablePixels, AttributeError, ValueError) as error:
            print(f"left out {path.name}: {error}", file=sys.stderr)
            continue
        folder = given.out / kind_of(dataset)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255).round().astype(np.uint8)).save(folder / f"{number:04d}.png")


def shown(dataset: Dataset, window: Window | None) -> npt.NDArray[np.float32]:
    """Return pixels (rows, columns) in [0, 1]: a slice through the window, anything else as a film."""
    if window is None or dataset.get("Modality") != "CT":
        return read_radiograph(dataset).pixels
    centre, width = window
    hounsfield = read_slice(dataset).hounsfield.astype(np.float32)
    seen: npt.NDArray[np.float32] = np.clip((hounsfield - centre) / width + 0.5, 0, 1)
    return seen


def kind_of(dataset: Dataset) -> str:
    """Return modality and body part as a folder's name."""
    words = [str(dataset.get(keyword) or "") for keyword in ("Modality", "BodyPartExamined")]
    return "-".join(word.lower().replace(" ", "-").replace("/", "-") for word in words if word) or "unknown"


def _files(folder: Path, every: int) -> Iterator[Path]:
    for directory in sorted({path.parent for path in folder.rglob("*") if path.is_file()}):
        yield from sorted(path for path in directory.iterdir() if path.is_file())[::every]


if __name__ == "__main__":
    main()

"""A heat map as a PNG, for people without a DICOM viewer."""

from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset


def write_picture(heatmap: Dataset, path: Path) -> Path:
    """Write the first frame of a secondary capture as PNG and return its path."""
    frames = heatmap.pixel_array
    first = frames if frames.ndim == 3 else frames[0]
    Image.fromarray(np.ascontiguousarray(first)).save(path)
    return path

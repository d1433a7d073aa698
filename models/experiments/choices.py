"""What the experiments' commands let choose; free of torch, so that the command line is there at once."""

from enum import StrEnum


class PaperTable(StrEnum):
    """A table of Xu et al."""

    IV = "iv"
    """Position of the modules."""
    V = "v"
    """Pre-training."""


class SliceSet(StrEnum):
    """Where the slices come from and how they are split."""

    RELEASED = "sars-cov-2-ct"
    """The public release, 80:20 by picture as the paper: slices of a patient on both sides."""
    RELEASED_BLOCKS = "sars-cov-2-ct-blocks"
    """The public release, 80:20 by blocks of neighbouring files."""
    MANIFEST = "manifest"
    """The rows of ``ct.csv``, by group."""
    MANIFEST_BY_IMAGE = "manifest-by-image"
    """The rows of ``ct.csv``, by picture as the paper: leaky."""

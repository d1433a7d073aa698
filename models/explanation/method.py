"""Which heat map is drawn; free of torch."""

from enum import StrEnum


class Method(StrEnum):
    """Which heat map is drawn."""

    OWN = "own"
    """What the model serves: CAM where it is exact, Grad-CAM elsewhere."""
    CAM = "cam"
    """Class activation maps, whose means and the bias are the logit; refused where a head has none."""
    GRAD_CAM = "gradcam"
    """By automatic differentiation, on the last spatial map; of every network."""

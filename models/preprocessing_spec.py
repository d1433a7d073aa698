"""How a decoded image is prepared, as data: stored with the weights, free of torch."""

from pydantic import BaseModel, ConfigDict, Field

PIXEL_SCALE = 255.0  # the authors feed raw 0..255 without mean or standard deviation


class Window(BaseModel):
    """A CT window in HU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre: int
    width: int = Field(gt=0)

    @property
    def lowest(self) -> int:
        """HU shown black."""
        return self.centre - self.width // 2

    @property
    def highest(self) -> int:
        """HU shown white."""
        return self.centre + self.width // 2


class Preprocessing(BaseModel):
    """How a decoded image is prepared; frozen with the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: int = Field(gt=0, description="rows and columns of the network's input")
    common_size: int = Field(gt=0, description="resolution to which every source is brought first, by area")
    window: Window | None = Field(None, description="CT window applied before resizing; none for films")
    squash: bool = Field(True, description="the whole image is squashed to a square, nothing is cropped")
    pixel_scale: float = Field(PIXEL_SCALE, description="value of white at the network's input")
    channels: int = Field(3, description="the grey image is repeated this often")

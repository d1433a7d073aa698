"""Networks in the topology of COVID-Net and COVIDNet-CT, approximate: the exact widths are not public.

Built from the papers' descriptions (projection-expansion-projection-extension blocks, long-range 1 x 1
shortcuts). The originals' widths came from a machine-driven search and live in their released graphs only, so
no published weight or figure belongs to these networks.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from models.networks.heads import HeadedNetwork, PooledLinearHead
from models.networks.interface import Features
from models.networks.normalisation import Norm, Normalise


def covidnet_like(classes: int) -> "ProjectionExpansionNetwork":
    """Build the film comparator: four stages of 3, 4, 6 and 3 blocks."""
    return ProjectionExpansionNetwork(classes, widths=(56, 112, 216, 424))


def covidnet_ct_like(classes: int) -> "ProjectionExpansionNetwork":
    """Build the slice comparator."""
    return ProjectionExpansionNetwork(classes, widths=(24, 84, 152, 268))


class ProjectionExpansion(nn.Sequential):
    """1x1 to C/2, 1x1 to 3C/4, depthwise 3x3, 1x1 to C/2, 1x1 to the output."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        narrow, wide = channels_in // 2, 3 * channels_in // 4
        super().__init__(
            nn.Conv2d(channels_in, narrow, 1),
            nn.Conv2d(narrow, wide, 1),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide),
            nn.Conv2d(wide, narrow, 1),
            nn.Conv2d(narrow, channels_out, 1),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


class _Stage(nn.Module):
    """Blocks in series, each added to all that came before it in the stage, with a 1x1 shortcut."""

    def __init__(self, channels_in: int, channels_out: int, depth: int, stride: int) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride)
        self.first = ProjectionExpansion(channels_in, channels_out, stride)
        self.rest = nn.ModuleList(ProjectionExpansion(channels_out, channels_out) for _ in range(depth - 1))

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.shortcut(x) + self.first(x)
        for block in self.rest:
            total = total + block(total)
        return total


class ProjectionExpansionNetwork(HeadedNetwork):
    """Stem, four stages, global average pooling and a linear layer."""

    def __init__(self, classes: int, *, widths: Sequence[int], depths: Sequence[int] = (3, 4, 6, 3)) -> None:
        super().__init__(PooledLinearHead(widths[-1], classes))
        self.normalise = Normalise(Norm.UNIT)
        stem = [nn.Conv2d(3, widths[0], 7, 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        before = (widths[0], *widths[:-1])
        stages = [
            _Stage(a, b, depth, 1 if number == 0 else 2)
            for number, (a, b, depth) in enumerate(zip(before, widths, depths, strict=True))
        ]
        self.layers = nn.Sequential(*stem, *stages)

    def features(self, images: Tensor) -> Features:
        """Run the layers on images (n, 3, rows, columns) in 0..255."""
        return Features(last_map=self.layers(self.normalise(images)))

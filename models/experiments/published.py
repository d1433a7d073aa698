"""Figures as the papers print them: shown beside ours as "published, not reproduced"."""

from collections.abc import Mapping
from types import MappingProxyType

NOT_REPRODUCED = "published, not reproduced"

_Rows = Mapping[tuple[tuple[int, ...], bool], float]
TABLE_IV: Mapping[str, _Rows] = MappingProxyType(
    {
        "mobilenet_v2": MappingProxyType(
            {
                ((), False): 0.9687,
                ((), True): 0.9716,
                ((6,), False): 0.9752,
                ((5, 6), False): 0.9819,
                ((5, 6), True): 0.9859,
                ((4, 5, 6), True): 0.9920,
            }
        ),
        "resnet18": MappingProxyType(
            {
                ((), False): 0.9757,
                ((), True): 0.9789,
                ((6,), False): 0.9802,
                ((5, 6), False): 0.9839,
                ((5, 6), True): 0.9879,
                ((4, 5, 6), True): 0.9940,
            }
        ),
    }
)
"""Xu et al. Table IV: accuracy on SARS-CoV-2 CT by (stages with D-SPP, whether CID is there).

The table's ticks are damaged in the text; text and Table II fix rows 1, 2, 3 and 6, rows 4 and 5 are read as
{5, 6} without and with CID. {6} with CID and {4, 5, 6} without are not printed.
"""

TABLE_V = MappingProxyType(
    {
        (100, 0): (0.7882, 0.7896, 0.7755, 0.7825),
        (40, 40): (0.8128, 0.7981, 0.8061, 0.8021),
        (40, 70): (0.8177, 0.8128, 0.8367, 0.8246),
        (70, 70): (0.8522, 0.8473, 0.8469, 0.8471),
        (100, 70): (0.8276, 0.8281, 0.8367, 0.8324),
        (100, 100): (0.8424, 0.8322, 0.8367, 0.8344),
    }
)
"""Xu et al. Table V: accuracy, precision, recall, F1 by epochs of (fine-tuning, pre-training)."""

FOLD_ACCURACIES, FOLD_TEST_ACCURACY = (0.991, 0.987, 0.988, 0.991, 0.992), 0.996
"""Jia et al. Table 4: modified MobileNet on five classes of films."""

CLASS_MERGE_ACCURACIES = MappingProxyType({5: (0.996, 0.988), 4: (0.999, 0.991), 3: (0.997, 0.996)})
"""Jia et al. Table 5: modified and original MobileNet by number of classes."""

TABLE_15 = MappingProxyType(
    {1: (0.9772, 0.9858), 3: (0.9545, 0.9722), 5: (0.7392, 0.8795), 7: (0.3262, 0.6937), 10: (0.1960, 0.4653)}
)
"""Jia et al.: accuracy of the original and the modified MobileNet by m, noise form 1."""

TABLE_16 = MappingProxyType(
    {
        0.5: (0.830, 0.878),
        0.7: (0.924, 0.957),
        0.9: (0.977, 0.985),
        1.1: (0.982, 0.991),
        1.3: (0.973, 0.976),
    }
)
"""Jia et al.: accuracy of the original and the modified MobileNet by n, noise form 2."""

GRADIENT_ORIGINAL, GRADIENT_MODIFIED = (0.037, 0.002), (0.547, 0.551)
"""Jia et al. Fig. 6: mean and variance of |gradient| over the first eight convolutions."""

"""What the papers print about the networks, with the table: to be put beside what is counted here.

Jia et al. give megabytes under "Params" in every table; in Tables 7 and 12 the unit reads "M" beside true
counts of others' parameters. They are megabytes there too (``size_as_printed`` says what the table shows).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One accuracy as printed."""

    percent: float
    on: str
    """Data set, classes and what else the figure rests on."""
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigures:
    """What a paper prints about a network; nothing here was measured by this project."""

    paper: str
    accuracies: tuple[Accuracy, ...] = ()
    megabytes: float | None = None
    parameters: int | None = None
    size_as_printed: str = ""
    """Where the table's unit is not what it means."""
    reproduced: bool = True
    """False for networks of others that are rebuilt in topology only: published, not reproduced."""


XU, JIA = "Xu et al. 2022", "Jia et al. 2021"
_SARS, _UCSD, _XRAY_5K = "SARS-CoV-2 CT", "COVID19-CT", "COVID-Xray-5k"


def _xu(sars: float | None, ucsd: float | None = None, xray_5k: float | None = None) -> PaperFigures:
    found = ((sars, _SARS, "II"), (ucsd, _UCSD, "II"), (xray_5k, _XRAY_5K, "III"))
    accuracies = [
        Accuracy(percent=percent, on=on, table=table) for percent, on, table in found if percent is not None
    ]
    if xray_5k is not None:
        accuracies.append(Accuracy(percent=100.0, on="COVID X-ray, 98 films", table="III"))
    return PaperFigures(paper=XU, accuracies=tuple(accuracies))


def _without_modules(sars: float) -> PaperFigures:
    return PaperFigures(paper=XU, accuracies=(Accuracy(percent=sars, on=_SARS, table="IV"),))


def _jia(megabytes: float, films: float, slices: float) -> PaperFigures:
    return PaperFigures(
        paper=JIA,
        megabytes=megabytes,
        accuracies=(
            Accuracy(percent=films, on="films, 5 classes", table="2"),
            Accuracy(percent=slices, on="COVIDx-CT", table="10"),
        ),
    )


_MODIFIED_MOBILENET = PaperFigures(
    paper=JIA,
    megabytes=7.1,
    size_as_printed="7.1 M in Table 7",
    accuracies=(
        Accuracy(percent=99.6, on="films, 5 classes", table="4"),
        Accuracy(percent=99.9, on="films, 4 classes", table="5"),
        Accuracy(percent=99.7, on="films, 3 classes", table="5"),
        Accuracy(percent=95.0, on="COVIDx", table="7"),
    ),
)
_MODIFIED_RESNET = PaperFigures(
    paper=JIA,
    megabytes=44.9,
    size_as_printed="44.9 M in Table 12",
    accuracies=(Accuracy(percent=99.3, on="COVIDx-CT, training stopped by the test set", table="12"),),
)
_COVID_NET = PaperFigures(
    paper="COVIDNet-CXR3-B, as in Jia et al. 2021",
    parameters=11_800_000,
    accuracies=(Accuracy(percent=93.3, on="COVIDx", table="7"),),
    reproduced=False,
)
_COVID_NET_CT = PaperFigures(
    paper="COVIDNet-CT-2 S, as in Jia et al. 2021",
    parameters=447_600,
    accuracies=(Accuracy(percent=97.9, on="COVIDx-CT", table="12"),),
    reproduced=False,
)

FIGURES: dict[str, PaperFigures] = {
    "dspp_cid_mobilenet_v2": _xu(99.20, 82.76, 99.84),
    "dspp_cid_resnet18": _xu(99.40),
    "dspp_cid_resnet34": _xu(99.40),
    "dspp_cid_resnet50": _xu(99.61, 85.22, 99.93),
    "dspp_cid_vgg19": _xu(98.60, 80.79, 99.77),
    "plain_mobilenet_v2": _without_modules(96.87),
    "plain_resnet18": _without_modules(97.57),
    "plain_resnet50": PaperFigures(
        paper=XU, accuracies=(Accuracy(percent=78.82, on=f"{_UCSD}, called original", table="V"),)
    ),
    "modified_mobilenet_v3_small": _MODIFIED_MOBILENET,
    "modified_mobilenet_v3_small_authors": _MODIFIED_MOBILENET,
    "modified_resnet18": _MODIFIED_RESNET,
    "modified_resnet18_authors": _MODIFIED_RESNET,
    "vgg16": _jia(537.0, 93.9, 97.80),
    "inception_v3": _jia(87.3, 96.9, 98.59),
    "resnet18": _jia(44.8, 96.5, 98.47),
    "densenet121": _jia(28.2, 98.8, 96.30),
    "squeezenet1_0": _jia(2.95, 94.9, 94.38),
    "squeezenet1_0_authors_pool": _jia(2.95, 94.9, 94.38),
    "mobilenet_v3_small": _jia(6.74, 98.8, 96.79),
    "covidnet_like": _COVID_NET,
    "covidnet_ct_like": _COVID_NET_CT,
}

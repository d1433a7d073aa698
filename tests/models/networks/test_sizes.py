"""Parameters, megabytes and multiply-adds against the papers' tables and the project's specification."""

import pytest
import torch

from models.networks.papers import FIGURES
from models.networks.registry import NETWORKS, build_network, entry_named
from models.networks.sizes import NetworkSize, size_of

# name, classes: millions of parameters, megabytes, millions of multiply-adds at the network's input
SPECIFIED = {
    ("dspp_cid_mobilenet_v2", 2): (3.053, 12.35, 339.9),
    ("dspp_cid_resnet18", 2): (13.703, 54.86, 1937.2),
    ("dspp_cid_resnet34", 2): (23.812, 95.32, 3786.9),
    ("dspp_cid_resnet50", 2): (34.398, 137.83, 4620.2),
    ("dspp_cid_vgg19", 2): (143.579, 574.33, 19823.9),
    ("plain_mobilenet_v2", 2): (2.226, 9.04, 299.5),
    ("plain_resnet18", 2): (11.178, 44.75, 1813.6),
    ("plain_resnet50", 2): (23.512, 94.26, 4087.1),
    ("plain_vgg19", 2): (139.578, 558.31, 19628.0),
    ("modified_mobilenet_v3_small", 5): (1.753, 7.06, 138.9),
    ("modified_mobilenet_v3_small:last=1024", 5): (1.590, 6.41, 138.8),
    ("modified_resnet18", 3): (11.210, 44.88, 2392.8),
    ("vgg16", 5): (134.281, 537.12, 15466.2),
    ("inception_v3", 5): (21.796, 87.32, 5711.2),
    ("resnet18", 5): (11.179, 44.75, 3394.1),
    ("densenet121", 5): (6.959, 28.17, 4936.7),
    ("mobilenet_v3_small", 5): (1.671, 6.73, 104.3),
    ("mobilenet_v3_small", 3): (1.668, 6.72, 104.3),
    ("squeezenet1_0", 5): (0.738, 2.95, 1324.4),
    ("covidnet_like", 3): (1.430, 5.74, 1762.8),
    ("covidnet_ct_like", 3): (0.645, 2.60, 843.6),
}


def sized(name: str, classes: int) -> NetworkSize:
    with torch.device("meta"):
        return size_of(build_network(name, classes=classes), entry_named(name).input_size)


@pytest.mark.parametrize(("name", "classes"), SPECIFIED)
def test_a_network_costs_what_the_specification_says(name: str, classes: int) -> None:
    parameters, megabytes, multiply_adds = SPECIFIED[name, classes]
    size = sized(name, classes)
    assert size.parameters / 1e6 == pytest.approx(parameters, abs=0.0006)
    assert size.megabytes == pytest.approx(megabytes, abs=0.006)
    assert size.multiply_adds / 1e6 == pytest.approx(multiply_adds, abs=0.06)
    paper = FIGURES.get(name)
    if paper is not None and paper.megabytes is not None:  # printed with two to four digits
        assert size.megabytes == pytest.approx(paper.megabytes, rel=0.008)


def test_the_film_network_has_its_parameters_to_the_last_one() -> None:
    assert sized("modified_mobilenet_v3_small", 5).parameters == 1_752_643


def test_the_paper_s_m_of_tables_7_and_12_are_megabytes() -> None:
    for name, classes in (("modified_mobilenet_v3_small", 5), ("modified_resnet18", 3)):
        paper, size = FIGURES[name], sized(name, classes)
        assert paper.megabytes is not None
        assert size.megabytes == pytest.approx(paper.megabytes, abs=0.05)
        assert size.parameters / 1e6 < paper.megabytes / 3.9


@pytest.mark.parametrize(
    ("options", "millions"),
    [
        ("stages=6", 1881),
        ("stages=5+6", 1916),
        ("align=pool", 2241),
        ("align=up", 2530),
        ("stages=2+3+4+5+6", 1965),
        ("stages=1+2+3+4+5", 2178),
    ],
)
def test_an_option_costs_what_the_specification_says(options: str, millions: float) -> None:
    assert sized(f"dspp_cid_resnet18:{options}", 2).multiply_adds / 1e6 == pytest.approx(millions, abs=0.6)


def test_every_figure_of_a_paper_belongs_to_a_network() -> None:
    assert set(FIGURES) <= set(NETWORKS)
    assert {name for name in FIGURES if not FIGURES[name].reproduced} == {"covidnet_like", "covidnet_ct_like"}

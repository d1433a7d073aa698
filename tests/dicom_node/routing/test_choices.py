"""Which models read a study, and where results go."""

import pytest

from dicom_node.domain.finding import ModelIdentity
from dicom_node.routing.choices import destinations_for, models_for
from dicom_node.settings import Settings

CXR = ModelIdentity(name="cxr", version="1.0.0", weights_sha256="a" * 64)
OTHER_CXR = ModelIdentity(name="another-cxr", version="2.0.0", weights_sha256="b" * 64)
CT = ModelIdentity(name="ct", version="1.0.0", weights_sha256="c" * 64)
ACTIVE = {
    CXR: frozenset({"CR", "DX"}),
    OTHER_CXR: frozenset({"DX"}),
    CT: frozenset({"CT"}),
}


@pytest.mark.parametrize(
    ("modalities", "models"),
    [
        ({"DX"}, (OTHER_CXR, CXR)),
        ({"CR"}, (CXR,)),
        ({"CT", "SR"}, (CT,)),
        ({"CT", "CR"}, (CT, CXR)),
        ({"MR"}, ()),
        (set(), ()),
    ],
)
def test_the_modalities_of_a_study_choose_its_models(
    modalities: set[str], models: tuple[ModelIdentity, ...]
) -> None:
    assert models_for(modalities, ACTIVE) == models


def test_each_destination_gets_the_results_once() -> None:
    settings = Settings(destinations=("PACS@10.0.0.1:104", "RIS@10.0.0.2:104", "PACS@10.0.0.1:104"))
    assert destinations_for(settings) == ("PACS@10.0.0.1:104", "RIS@10.0.0.2:104")

"""The words of the node: what an Instance waits for, what a Destination is called, what a condition is."""

from datetime import timedelta

import pytest

from dicom_node.domain.delivery import Destination
from dicom_node.domain.finding import Condition, ModelIdentity
from dicom_node.domain.identifiers import AETitle
from dicom_node.domain.study import QuietPeriods

QUIET = QuietPeriods(
    radiograph=timedelta(seconds=0.3), ct=timedelta(seconds=2), silence=timedelta(seconds=10)
)


@pytest.mark.parametrize(("modality", "seconds"), [("CR", 0.3), ("DX", 0.3), ("CT", 2), ("SR", 2), ("", 2)])
def test_a_film_is_waited_for_shorter_than_anything_else(modality: str, seconds: float) -> None:
    assert QUIET.after_release(modality) == timedelta(seconds=seconds)


def test_a_destination_is_written_as_it_is_configured() -> None:
    assert str(Destination(ae_title=AETitle("PACS"), host="10.0.0.1", port=104)) == "PACS@10.0.0.1:104"


@pytest.mark.parametrize("condition", Condition)
def test_every_condition_has_a_title_for_people(condition: Condition) -> None:
    assert condition.title
    assert condition.title[0].isupper()
    assert "_" not in condition.title


def test_a_model_is_called_by_name_and_version() -> None:
    assert str(ModelIdentity(name="cxr", version="1.2.0", weights_sha256="a" * 64)) == "cxr 1.2.0"

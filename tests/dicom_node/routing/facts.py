"""Facts of studies that tests ask rules about."""

from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import SeriesFacts, StudyFacts
from tests.synthetic.stories import NOON, study_uid


def series_of(
    number: int = 1, *, sop_class: str = "1.2.840.10008.5.1.4.1.1.1.1", **header: str
) -> SeriesFacts:
    return SeriesFacts(
        series_instance_uid=f"{study_uid(1)}.{number}",
        sop_class_uids=frozenset({sop_class}),
        header={keyword: tuple(value.split("\\")) for keyword, value in header.items()},
    )


def study_of(*series: SeriesFacts, number: int = 1) -> StudyFacts:
    return StudyFacts(
        study_instance_uid=StudyInstanceUID(study_uid(number)),
        calling_ae_titles=frozenset({"ER_1"}),
        completed_at=NOON,
        series=series,
    )

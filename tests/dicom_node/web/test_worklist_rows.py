"""What a row of the page says of a study."""

import uuid
from datetime import UTC, datetime

import pytest

from dicom_node.domain.delivery import Delivery, DeliveryContent, DeliveryState, Proof
from dicom_node.domain.deployment import ModelMode
from dicom_node.domain.finding import Analysis, AnalysisState, Condition, Finding, Presence
from dicom_node.domain.identifiers import AnalysisId, DeliveryId, StudyInstanceUID
from dicom_node.domain.study import Study, StudyState
from dicom_node.domain.worklist import WorklistItem
from dicom_node.web.worklist_rows import Row, rows_of
from tests.synthetic.stories import CXR, NOON, PACS, study_uid


def finding(condition: Condition, presence: Presence, probability: float = 0.5) -> Finding:
    return Finding(condition=condition, probability=probability, operating_point=0.4, presence=presence)


def analysis(
    *findings: Finding, state: AnalysisState = AnalysisState.COMPLETED, reason: str = ""
) -> Analysis:
    return Analysis(
        analysis_id=AnalysisId(uuid.uuid4()),
        study_instance_uid=study_uid(),
        model=CXR,
        revision=1,
        mode=ModelMode.ACTIVE,
        state=state,
        reason=reason,
        input_digest="",
        findings=findings,
        priority=5,
        created_at=NOON,
        started_at=None,
        completed_at=None,
    )


def row(
    *analyses: Analysis,
    deliveries: tuple[Delivery, ...] = (),
    priority: int = 5,
    study_date: str = "20260302",
) -> Row:
    study = Study(
        study_instance_uid=StudyInstanceUID("1.2.3"),
        state=StudyState.COMPLETE,
        modality="DX",
        patient_id="P1",
        patient_name="DOE^JANE",
        accession_number="A1",
        study_date=study_date,
        study_description="CHEST OF JANE DOE",
        received_at=datetime(2026, 3, 2, 12, 0, 1, 500000, tzinfo=UTC),
        completed_at=None,
        completion_reason=None,
        last_released_at=None,
        instance_count=2,
        late_instance_count=0,
        priority=priority,
    )
    (shown,) = rows_of([WorklistItem(study=study, analyses=analyses, deliveries=deliveries)])
    return shown


def test_the_impression_is_what_is_present_even_if_something_else_is_more_probable() -> None:
    """Each condition has an operating point of its own: the most probable need not be the present one."""
    shown = row(
        analysis(
            finding(Condition.COVID19, Presence.UNDETERMINED, 0.6),
            finding(Condition.PNEUMONIA_BACTERIAL, Presence.PRESENT, 0.5),
            finding(Condition.TUBERCULOSIS, Presence.PRESENT, 0.45),
        )
    )
    (said,) = shown.said
    assert (said.text, said.tone) == ("Bacterial pneumonia", "urgent")
    assert said.detail == (
        "cxr-model 1.0.0: Bacterial pneumonia 0.50, threshold 0.40; "
        "Pulmonary tuberculosis 0.45, threshold 0.40"
    )


@pytest.mark.parametrize("presence", [Presence.UNDETERMINED, Presence.ABSENT])
def test_a_mere_favourite_is_no_impression(presence: Presence) -> None:
    (said,) = row(analysis(finding(Condition.COVID19, presence, 0.3))).said
    assert (said.text, said.tone) == ("undetermined", "waiting")
    assert said.detail == "cxr-model 1.0.0: most probable COVID-19 pneumonia 0.30, threshold 0.40"


@pytest.mark.parametrize("condition", [Condition.NORMAL, Condition.NON_COVID])
def test_what_asks_for_no_attention_is_not_red(condition: Condition) -> None:
    assert row(analysis(finding(condition, Presence.PRESENT))).said[0].tone == "plain"


@pytest.mark.parametrize(
    ("state", "text", "tone"),
    [
        (AnalysisState.REQUESTED, "waiting", "waiting"),
        (AnalysisState.RUNNING, "running", "waiting"),
        (AnalysisState.NOT_APPLICABLE, "not analysed", "plain"),
        (AnalysisState.FAILED, "failed", "bad"),
    ],
)
def test_every_state_of_an_analysis_has_words(state: AnalysisState, text: str, tone: str) -> None:
    (said,) = row(analysis(state=state, reason="no chest")).said
    assert (said.text, said.tone) == (text, tone)
    assert ("no chest" in said.detail) == (state in {AnalysisState.NOT_APPLICABLE, AnalysisState.FAILED})


@pytest.mark.parametrize("state", DeliveryState)
def test_every_state_of_a_delivery_has_words(state: DeliveryState) -> None:
    delivery = Delivery(
        delivery_id=DeliveryId(uuid.uuid4()),
        study_instance_uid=study_uid(),
        content=DeliveryContent.RESULTS,
        analysis_id=AnalysisId(uuid.uuid4()),
        destination=PACS,
        state=state,
        proof=Proof.NONE,
        deidentify=False,
        resends=0,
        pending_since=NOON,
        verified_at=None,
        attempts=1,
        last_answer="DOE^JANE is unknown here",
        created_at=NOON,
        delivered_at=None,
    )
    (sent,) = row(deliveries=(delivery,)).sent
    assert (sent.text, sent.detail) == (state.value.lower(), f"{PACS}, 1 attempt")
    assert sent.tone in {"good", "bad", "waiting"}


@pytest.mark.parametrize(
    ("priority", "text"),
    [(0, "0 urgent"), (2, "2 urgent"), (3, "3 soon"), (5, "5 routine"), (9, "9 routine")],
)
def test_urgency_is_told_in_words_and_not_by_colour_alone(priority: int, text: str) -> None:
    assert row(priority=priority).urgency.text == text


@pytest.mark.parametrize(("dicom", "shown"), [("20260302", "2026-03-02"), ("", ""), ("2026", "2026")])
def test_dates_are_written_as_people_do(dicom: str, shown: str) -> None:
    assert row(study_date=dicom).study_date == shown


def test_a_row_holds_nothing_of_the_patient() -> None:
    shown = repr(row(analysis(finding(Condition.NORMAL, Presence.PRESENT))))
    assert not any(secret in shown for secret in ("DOE", "P1", "A1", "JANE"))

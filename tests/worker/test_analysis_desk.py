"""Jobs at a worker's desk: done once, entered whole or not at all, given back when something is away."""

from datetime import timedelta

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file

from dicom_node.database import analyses, audit_trail, jobs, model_register, worklist
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.outputs import outputs_of
from dicom_node.database.worklist import WorklistQuery
from dicom_node.domain.audit import Action
from dicom_node.domain.finding import Analysis, AnalysisState, OutputRole
from dicom_node.domain.job import JobState, Queue
from dicom_node.domain.study import StudyState
from dicom_node.domain.worklist import WorklistItem
from dicom_node.errors import LeaseLost
from dicom_node.imaging.decoding import DecoderPool
from dicom_node.resources import Resources
from dicom_node.results.tree import render_tree
from dicom_node.routes_in_force import activate_configured
from tests.synthetic import stories
from tests.synthetic import studies as synthetic
from tests.worker.received import rung_analysis
from worker import analysis as analysis_story
from worker.analysis import Tools
from worker.analysis_desk import UNFORESEEN_ATTEMPTS, AnalysisDesk
from worker.loaded_models import LoadedModels

PACS = "PACS@127.0.0.1:4242"


@pytest.fixture
def desk(resources: Resources, decoders: DecoderPool, models: LoadedModels) -> AnalysisDesk:
    settled = resources.settings.model_copy(update={"destinations": (PACS,)})
    delivering = Resources(settled, resources.database, resources.archive, resources.dispatcher_bell)
    activate_configured(resources.database, settled)
    with resources.database.begin() as session:
        now = resources.database.now(session)
        model_register.register_models(session, models.registered(), actor="test", now=now)
    return AnalysisDesk(
        tools=Tools(resources=delivering, decoders=decoders), models=models, slot="analysis-0"
    )


def chest_film() -> Dataset:
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    assert path is not None
    return pydicom.dcmread(path)


def only_item(resources: Resources) -> WorklistItem:
    with resources.database.read() as session:
        (item,) = worklist.worklist_items(session, WorklistQuery())
    return item


def only_analysis(resources: Resources) -> Analysis:
    (analysis,) = only_item(resources).analyses
    return analysis


def test_a_chest_film_is_read_and_its_results_are_kept(desk: AnalysisDesk) -> None:
    resources = desk.tools.resources
    job_id = rung_analysis(resources, [chest_film()])

    desk.analyze(job_id)

    item = only_item(resources)
    (analysis,) = item.analyses
    assert analysis.state is AnalysisState.COMPLETED
    assert len(analysis.findings) == 5
    assert sum(finding.probability for finding in analysis.findings) == pytest.approx(1, abs=1e-4)
    assert [delivery.destination for delivery in item.deliveries] == [PACS]
    with resources.database.read() as session:
        outputs = outputs_of(session, analysis.analysis_id)
    assert {output.role for output in outputs} == {OutputRole.REPORT, OutputRole.HEATMAP}
    for output in outputs:
        kept = pydicom.dcmread(resources.archive.verified(output.path, output.sha256))
        assert kept.StudyInstanceUID == item.study.study_instance_uid


def test_the_same_message_twice_is_one_result(desk: AnalysisDesk) -> None:
    resources = desk.tools.resources
    job_id = rung_analysis(resources, [chest_film()])

    desk.analyze(job_id)
    desk.analyze(job_id)

    with resources.database.read() as session:
        query = AuditQuery(actions=(Action.ANALYSIS_STARTED, Action.ANALYSIS_COMPLETED))
        events = audit_trail.search(session, query)
    assert [recorded.event.action for recorded in events] == [
        Action.ANALYSIS_COMPLETED,
        Action.ANALYSIS_STARTED,
    ]


def test_a_job_whose_worker_died_is_taken_up_after_its_lease(desk: AnalysisDesk) -> None:
    resources = desk.tools.resources
    job_id = rung_analysis(resources, [chest_film()])
    long_ago = stories.NOON - timedelta(days=900)
    dead = stories.claim_by_id(resources.database, job_id, now=long_ago, owner="dead-worker")
    assert dead is not None
    with resources.database.begin() as session:
        analyses.start_analysis(session, dead, actor="worker:dead-worker", now=long_ago)

    desk.analyze(job_id)

    assert only_analysis(resources).state is AnalysisState.COMPLETED
    with pytest.raises(LeaseLost), resources.database.begin() as session:
        jobs.settle(session, dead, now=resources.database.now(session))


def test_an_ankle_is_not_analysed_and_the_study_is_done(desk: AnalysisDesk) -> None:
    resources = desk.tools.resources
    job_id = rung_analysis(resources, [synthetic.ankle_film()])

    desk.analyze(job_id)

    item = only_item(resources)
    assert item.analyses[0].state is AnalysisState.NOT_APPLICABLE
    assert "ANKLE" in item.analyses[0].reason
    assert item.deliveries == ()
    assert item.study.state is StudyState.DONE


def test_a_film_that_is_not_a_chest_is_refused_by_its_pixels(desk: AnalysisDesk) -> None:
    resources = desk.tools.resources
    path = get_testdata_file("RG3_UNCR.dcm", download=False)
    assert path is not None
    mislabelled = pydicom.dcmread(path)
    mislabelled.BodyPartExamined, mislabelled.StudyDescription = "CHEST", "THORAX"

    desk.analyze(rung_analysis(resources, [mislabelled]))

    analysis = only_analysis(resources)
    assert analysis.state is AnalysisState.NOT_APPLICABLE
    assert "does not look like a frontal chest film" in analysis.reason


@pytest.mark.parametrize(
    ("attribute", "value", "because"),
    [
        ("ImagePositionPatient", [0, 0, 0], "at one position"),
        ("PixelSpacing", [1e6, 1e6], "pixel spacing is not one of a CT of a person"),
        ("PixelSpacing", None, "pixel spacing is missing"),
    ],
)
def test_a_ct_with_impossible_geometry_is_not_analysed(
    desk: AnalysisDesk, attribute: str, value: object, because: str
) -> None:
    series = synthetic.ct_series(slices=5, **{attribute: value})

    desk.analyze(rung_analysis(desk.tools.resources, series))

    analysis = only_analysis(desk.tools.resources)
    assert analysis.state is AnalysisState.NOT_APPLICABLE
    assert because in analysis.reason


def test_slices_that_look_like_no_chest_ct_are_refused_by_their_pixels(desk: AnalysisDesk) -> None:
    series = synthetic.ct_series(slices=5, size=256)
    for dataset in series:  # a box with two holes, which shows lung on both sides for all that is measured
        stored = np.full((256, 256), 24, dtype=np.uint16)
        stored[30:226, 16:240] = 1024
        stored[68:188, 42:108] = stored[68:188, 148:214] = 174
        dataset.PixelData = stored.tobytes()

    desk.analyze(rung_analysis(desk.tools.resources, series))

    analysis = only_analysis(desk.tools.resources)
    assert analysis.state is AnalysisState.NOT_APPLICABLE
    assert "do not look like a chest CT" in analysis.reason


def test_what_the_choice_of_images_rests_on_stands_in_the_report(desk: AnalysisDesk) -> None:
    resources = desk.tools.resources

    desk.analyze(rung_analysis(resources, synthetic.ct_series(slices=5, size=256)))

    with resources.database.read() as session:
        outputs = outputs_of(session, only_analysis(resources).analysis_id)
    (report,) = (output for output in outputs if output.role is OutputRole.REPORT)
    tree = render_tree(pydicom.dcmread(resources.archive.path(report.path)))
    assert any("note=only 5 slices" in line for line in tree)


def test_undecodable_pixels_are_not_analysed_and_say_so(desk: AnalysisDesk) -> None:
    resources = desk.tools.resources
    broken = synthetic.compressed(synthetic.chest_film(), "1.2.840.10008.1.2.4.90")
    broken.PixelData = broken.PixelData[:40] + b"\x00" * (len(broken.PixelData) - 40)

    desk.analyze(rung_analysis(resources, [broken]))

    analysis = only_analysis(resources)
    assert analysis.state is AnalysisState.NOT_APPLICABLE
    assert analysis.reason


def test_a_worker_that_lost_its_lease_enters_nothing(
    desk: AnalysisDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = desk.tools.resources
    job_id = rung_analysis(resources, [chest_film()])

    def lose_the_lease(given: Resources, analysis: Analysis) -> object:
        with resources.database.begin() as session:
            jobs.release_owner(session, desk.slot, now=resources.database.now(session))
        return analysis_story.inputs_of(given, analysis)

    monkeypatch.setattr("worker.analysis_desk.inputs_of", lose_the_lease)

    desk.analyze(job_id)

    assert only_analysis(resources).state is AnalysisState.RUNNING
    assert only_item(resources).deliveries == ()
    with resources.database.begin() as session:
        now = resources.database.now(session)
        (reaped,) = jobs.reap(session, ring_timeout=timedelta(hours=1), maximum_attempts=5, now=now)
    assert reaped.is_now is JobState.READY


def test_missing_bytes_are_tried_again_and_fail_for_people_to_see(
    desk: AnalysisDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.analysis_desk.RETRY_AFTER", timedelta(0))
    resources = desk.tools.resources
    job_id = rung_analysis(resources, [chest_film()])
    for path in resources.archive.root.glob("??/*.dcm"):
        path.unlink()

    for _ in range(UNFORESEEN_ATTEMPTS):
        desk.analyze(job_id)

    analysis = only_analysis(resources)
    assert analysis.state is AnalysisState.FAILED
    assert "missing from the archive" in analysis.reason
    with resources.database.read() as session:
        assert jobs.counts(session) == {(Queue.ANALYSIS, JobState.DEAD): 1}

"""Champion and challenger on real films: shadow, compare, promote, roll back; a peer sees the champion."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydicom import Dataset

from dicom_node.database import deployments, jobs, model_register, worklist
from dicom_node.database.deployments import Act, NewStage
from dicom_node.database.paired import pairs_of
from dicom_node.database.worklist import WorklistQuery
from dicom_node.domain.deployment import EVERY_RULE, ModelMode
from dicom_node.domain.finding import AnalysisState, ModelIdentity
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import JobState, Queue
from dicom_node.domain.paired import compared
from dicom_node.domain.study import StudyState
from dicom_node.domain.worklist import WorklistItem
from dicom_node.imaging.decoding import DecoderPool
from dicom_node.resources import Resources
from dicom_node.routes_in_force import activate_configured
from models.catalog import card_named
from tests.journeys.films import real_film
from tests.peers.pacs import Pacs
from tests.synthetic import stories
from tests.worker.received import receive_and_complete
from worker.analysis import Tools
from worker.analysis_desk import AnalysisDesk
from worker.delivery_desk import DeliveryDesk
from worker.loaded_models import LoadedModels
from worker.registration import Registration

ACT = Act(who="ann", reason="for the test", at=stories.NOON)


def identity(name: str) -> ModelIdentity:
    card = card_named(name)
    return ModelIdentity(name=card.name, version=card.version, weights_sha256=card.weights_sha256)


CHAMPION, CHALLENGER = identity("cxr-efficientnet-dspp-cid"), identity("cxr-mobilenetv3-dynamic")


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


@pytest.fixture
def node(resources: Resources, pacs: Pacs, models: LoadedModels) -> Resources:
    """A node whose results go to the peer, with every shipped model on its one worker."""
    settings = resources.settings.model_copy(update={"destinations": (str(pacs.destination),)})
    delivering = dataclasses.replace(resources, settings=settings)
    activate_configured(resources.database, settings)
    Registration(delivering, models.registered(), "worker:analysis-0").enter()
    return delivering


@pytest.fixture
def desk(node: Resources, decoders: DecoderPool, models: LoadedModels) -> AnalysisDesk:
    return AnalysisDesk(tools=Tools(resources=node, decoders=decoders), models=models, slot="analysis-0")


def work_off(desk: AnalysisDesk) -> list[ModelIdentity]:
    """Do every job, as dispatcher and workers would; return the models in the order in which they read."""
    resources = desk.tools.resources
    delivery = DeliveryDesk(resources=resources, slot="delivery-0")
    order = []
    while True:
        before = closed(resources)
        reading, bringing = ring(resources, Queue.ANALYSIS), ring(resources, Queue.DELIVERY)
        for job_id in reading:
            desk.analyze(job_id)
        for job_id in bringing:
            delivery.deliver(job_id)
        order += [model for _, model in closed(resources) - before]
        if not reading and not bringing:
            return order


def ring(resources: Resources, queue: Queue) -> list[JobId]:
    """Ring for one job: studies were completed a minute ahead of the clock."""
    with resources.database.begin() as session:
        soon = resources.database.now(session) + timedelta(minutes=2)
        return jobs.mark_queued(session, queue, window=1, now=soon)


def closed(resources: Resources) -> set[tuple[str, ModelIdentity]]:
    return {
        (analysis.study_instance_uid, analysis.model)
        for item in items(resources)
        for analysis in (*item.analyses, *item.shadows)
        if analysis.state is AnalysisState.COMPLETED
    }


def items(resources: Resources) -> list[WorklistItem]:
    with resources.database.read() as session:
        return worklist.worklist_items(session, WorklistQuery())


def item_of(resources: Resources, film: Dataset) -> WorklistItem:
    (found,) = [one for one in items(resources) if one.study.study_instance_uid == film.StudyInstanceUID]
    return found


def stage(resources: Resources, model: ModelIdentity, mode: ModelMode) -> None:
    wanted = NewStage(rule=EVERY_RULE, model_name=model.name, model_version=model.version, mode=mode)
    with resources.database.begin() as session:
        deployments.set_stages(session, [wanted], ACT)


def files(resources: Resources) -> int:
    return len(list(resources.archive.root.glob("??/*.dcm")))


def modes(item: WorklistItem) -> dict[str, str]:
    return {one.model.name: one.mode.value for one in (*item.analyses, *item.shadows)}


def test_of_a_challenger_in_shadow_nothing_leaves(desk: AnalysisDesk, pacs: Pacs) -> None:
    node, film = desk.tools.resources, real_film()
    stage(node, CHALLENGER, ModelMode.SHADOW)
    receive_and_complete(node, [film])

    assert work_off(desk) == [CHAMPION, CHALLENGER]

    item = item_of(node, film)
    assert modes(item) == {CHAMPION.name: "active", CHALLENGER.name: "shadow"}
    (champion,), (challenger,) = item.analyses, item.shadows
    assert champion.findings
    assert challenger.findings
    assert item.study.state is StudyState.DONE
    assert item.study.priority == champion.priority
    assert files(node) == 3  # the film, and the champion's report and heat map
    assert len(pacs.kept) == 2
    for one in pacs.kept:
        assert CHAMPION.name.encode() in one.encoded
        assert CHALLENGER.name.encode() not in one.encoded


def test_a_lone_shadow_makes_no_study_urgent_and_sends_nothing(desk: AnalysisDesk, pacs: Pacs) -> None:
    node, film = desk.tools.resources, real_film()
    for model in (CHAMPION, CHALLENGER):
        stage(node, model, ModelMode.SHADOW)
    receive_and_complete(node, [film])
    before = item_of(node, film).study
    assert before.state is StudyState.DONE

    work_off(desk)

    item = item_of(node, film)
    assert (item.study.priority, item.study.state) == (before.priority, StudyState.DONE)
    assert {one.state for one in item.shadows} == {AnalysisState.COMPLETED}
    assert (item.analyses, item.deliveries, pacs.kept, files(node)) == ((), (), [], 1)
    with node.database.read() as session:
        assert {queue for queue, _ in jobs.counts(session)} == {Queue.ANALYSIS}
        assert JobState.DEAD not in {state for _, state in jobs.counts(session)}


def test_a_challenger_is_compared_promoted_and_rolled_back(desk: AnalysisDesk) -> None:
    node = desk.tools.resources
    films = [real_film() for _ in range(3)]
    stage(node, CHALLENGER, ModelMode.SHADOW)
    receive_and_complete(node, films[:1])
    work_off(desk)

    with node.database.read() as session:
        found = compared(CHAMPION, CHALLENGER, pairs_of(session, CHAMPION, CHALLENGER))
    assert (found.studies, found.both_read) == (1, 1)
    assert found.challenger_latency is not None

    with node.database.begin() as session:
        (model,) = [one for one in model_register.registered_models(session) if one.identity == CHALLENGER]
        deployments.promote(
            session, model, rule=EVERY_RULE, instead_of=(CHAMPION.name,), least_read=1, act=ACT
        )
    receive_and_complete(node, films[1:2])
    work_off(desk)
    assert modes(item_of(node, films[1])) == {CHALLENGER.name: "active"}
    assert modes(item_of(node, films[0])) == {CHAMPION.name: "active", CHALLENGER.name: "shadow"}

    with node.database.begin() as session:
        deployments.roll_back(session, CHALLENGER.name, rule=EVERY_RULE, act=ACT)
    receive_and_complete(node, films[2:])
    work_off(desk)
    assert modes(item_of(node, films[2])) == {CHAMPION.name: "active", CHALLENGER.name: "shadow"}


def test_a_model_that_only_another_worker_has_is_left_to_it(node: Resources, decoders: DecoderPool) -> None:
    class Without(LoadedModels):
        def has(self, identity: ModelIdentity) -> bool:
            return identity != CHAMPION

    film = real_film()
    elsewhere = AnalysisDesk(
        tools=Tools(resources=node, decoders=decoders), models=Without(None, "cpu"), slot="analysis-1"
    )
    receive_and_complete(node, [film])
    (job_id,) = ring(node, Queue.ANALYSIS)
    elsewhere.analyze(job_id)
    (analysis,) = item_of(node, film).analyses
    assert analysis.state is AnalysisState.REQUESTED
    with node.database.read() as session:
        assert jobs.counts(session) == {(Queue.ANALYSIS, JobState.READY): 1}

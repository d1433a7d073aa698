"""Studies that two models have both closed: the same ones, the newest revision, in whatever mode."""

import sqlalchemy as sa

from dicom_node.database import analyses
from dicom_node.database.engine import Database
from dicom_node.database.paired import pairs_of
from dicom_node.database.tables import routing_decisions, studies
from dicom_node.domain.deployment import ModelMode
from dicom_node.domain.finding import AnalysisState, ModelIdentity
from tests.synthetic.stories import CT, CXR, NOON, SECOND, complete_study, finish, register, start, study_uid


def read(database: Database, number: int, *models: ModelIdentity) -> None:
    """A study that the first model reads for people and the others in shadow."""
    complete_study(database, number)
    for model in models:
        mode = ModelMode.ACTIVE if model == models[0] else ModelMode.SHADOW
        with database.begin() as session:
            analyses.request_analysis(session, study_uid(number), model, priority=5, now=NOON, mode=mode)
        finish(database, start(database), now=NOON + 3 * SECOND)


def take(database: Database, number: int, *rules: str) -> None:
    with database.begin() as session:
        study_id = session.execute(
            sa.select(studies.c.id).where(studies.c.study_instance_uid == study_uid(number))
        ).scalar_one()
        session.execute(
            sa.insert(routing_decisions).values(
                study_id=study_id,
                rule_set_sha256="0" * 64,
                decided_at=NOON,
                action="read",
                decision={"rules": list(rules)},
            )
        )


def test_pairs_are_the_studies_that_both_have_closed(database: Database) -> None:
    register(database, CXR, CT)
    read(database, 1, CXR, CT)
    read(database, 2, CXR)
    with database.read() as session:
        (pair,) = pairs_of(session, CXR, CT)
    assert pair.study_instance_uid == study_uid(1)
    assert pair.champion.state is pair.challenger.state is AnalysisState.COMPLETED
    assert [finding.probability for finding in pair.challenger.findings] == [0.91, 0.03]
    assert pair.challenger.seconds == 3


def test_pairs_of_a_rule_and_of_the_last_days_only(database: Database) -> None:
    register(database, CXR, CT)
    for number in (1, 2):
        read(database, number, CXR, CT)
    take(database, 1, "other")
    take(database, 1, "films")
    take(database, 2, "films")
    take(database, 2, "other")
    with database.read() as session:
        assert [one.study_instance_uid for one in pairs_of(session, CXR, CT, rule="films")] == [study_uid(1)]
        assert pairs_of(session, CXR, CT, rule="nonesuch") == ()
        assert len(pairs_of(session, CXR, CT, since=NOON)) == 2
        assert pairs_of(session, CXR, CT, since=NOON + SECOND) == ()

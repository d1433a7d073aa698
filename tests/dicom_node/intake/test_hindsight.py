"""Rules asked about the past answer as they would have decided: proved on 1,000 generated studies."""

import shutil
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from dicom_node.database import routing_decisions, study_facts
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import Decision, RuleAction
from dicom_node.intake.completion import close_studies
from dicom_node.intake.hindsight import backtest, explain_study
from dicom_node.resources import Resources, open_resources
from dicom_node.routing.comparing import Effect, compared
from dicom_node.routing.loading import read_routes
from dicom_node.settings import Settings
from tests.synthetic.histories import insert_history
from tests.synthetic.routed import PLACES, put_in_force
from tests.synthetic.stories import CT, CXR, NOON, receive_study, register, study_uid

STUDIES = 1000
AGES = timedelta(days=3650)
EXTRA = ModelIdentity(name="extra", version="1.0.0", weights_sha256="e" * 64)
BEFORE = (
    'timezone = "Europe/Berlin"\n'
    + PLACES
    + """
[[rules]]
name = "phantoms"
when.keywords = { PatientID = ["PHANTOM*", "TEST*"] }
then.action = "drop"

[[rules]]
name = "children"
when.age = { max = 17 }
then.action = "hold"

[[rules]]
name = "emergency at night"
when = { calling_ae = ["ER_*", "ICU"], modality = ["DX", "CR"], time = "20:00-07:00" }
then = { destinations = ["PACS"], priority = 0 }

[[rules]]
name = "research"
when = { study_description = "^research" }
then = { models = [], forward = ["BACKUP"], deidentify = true }

[[rules]]
name = "hostile"
when = { study_description = "(a|aa)+$" }

[[rules]]
name = "lungs"
when = { sop_class = ["CTImageStorage"], series_description = "lung|axial", body_part = ["CHEST", "THORAX"] }
then = { models = [{ name = "extra", mode = "canary", share = 0.3 }], destinations = ["PACS"] }

[default]
destinations = ["PACS"]
"""
)
AFTER = (
    'match = "all"\n'
    + BEFORE.replace("when.age = { max = 17 }", "when.age = { max = 4 }")
    .replace("share = 0.3", "share = 0.6")
    .replace('forward = ["BACKUP"]', 'forward = ["PACS", "BACKUP"]')
    .replace('time = "20:00-07:00"', 'time = "08:00-19:00", priority = ["STAT", "HIGH"]')
    .replace('[default]\ndestinations = ["PACS"]', '[default]\ndestinations = ["BACKUP"]')
    + """
[[rules]]
name = "the old scanner"
when.station = ["ER1"]
then.action = "drop"
"""
)


def node(home: Path, template: Path) -> Resources:
    """A node of its own with the generated history, received and due."""
    home.mkdir()
    copy = shutil.copy(template, home / "node.sqlite")
    resources = open_resources(Settings(data_home=home, database_url=f"sqlite:///{copy}"))
    with resources.database.begin() as session:
        insert_history(session, resources.archive, STUDIES, seed=20261125)
    register(resources.database, CXR, EXTRA)
    return resources


def lived_through(resources: Resources, text: str) -> dict[StudyInstanceUID, Decision]:
    """Let the day pass under these routes, by the dispatcher's own door; return what was decided."""
    put_in_force(resources.database, text)
    for hour in range(1, 25):
        close_studies(resources, NOON + timedelta(hours=hour))
    with resources.database.read() as session:
        uids = study_facts.completed_since(session, NOON)
        stored = {uid: routing_decisions.decision_of(session, uid) for uid in uids}
    assert len(stored) == STUDIES
    return {uid: one.decision for uid, one in stored.items() if one is not None}


def test_backtest_and_live_routing_agree_on_1000_generated_studies(
    tmp_path: Path, sqlite_template: Path
) -> None:
    document = read_routes(AFTER, "after.toml")
    with (
        closing(node(tmp_path / "first", sqlite_template)) as first,
        closing(node(tmp_path / "second", sqlite_template)) as second,
    ):
        old, new = lived_through(first, BEFORE), lived_through(second, AFTER)
        foretold = backtest(first, document, period=AGES)
        in_hindsight = backtest(second, document, period=AGES)

    assert foretold == compared((uid, old[uid], new[uid]) for uid in old)
    assert [effect for effect in Effect if not foretold.counted(effect)] == []
    assert {decision.action for decision in old.values()} == set(RuleAction)
    assert (in_hindsight.studies, in_hindsight.changes) == (STUDIES, ())


def test_a_backtest_covers_the_studies_of_the_period_and_tells_how_far_it_is(resources: Resources) -> None:
    register(resources.database, CXR)
    put_in_force(resources.database, PLACES + '[default]\ndestinations = ["PACS"]')
    receive_study(resources.database, 1)
    close_studies(resources, NOON + timedelta(seconds=60))
    receive_study(resources.database, 2)
    with resources.database.read() as session:
        now = resources.database.now(session)
    close_studies(resources, now)
    drop = read_routes('[default]\naction = "drop"', "drop.toml")
    steps: list[tuple[int, int]] = []

    told = backtest(
        resources, drop, period=timedelta(days=1), progress=lambda done, of: steps.append((done, of))
    )

    assert (told.studies, told.counted(Effect.LOST)) == (1, 1)
    assert told.changes[0].study_instance_uid == study_uid(2)
    assert steps == [(1, 1)]


def test_an_explanation_has_every_clause_and_what_was_decided(resources: Resources) -> None:
    register(resources.database, CXR, replace(CT, name="other"))
    put_in_force(
        resources.database,
        '[[rules]]\nname = "ct"\nwhen = { modality = ["CT"], body_part = ["CHEST"] }\nthen.action = "drop"',
    )
    uid = receive_study(resources.database, body_part_examined="CHEST")

    receiving = explain_study(resources, uid)
    close_studies(resources, NOON + timedelta(seconds=60))
    complete = explain_study(resources, uid)

    assert receiving is not None
    assert complete is not None
    assert receiving.verdicts == complete.verdicts
    (verdict,) = complete.verdicts
    assert [(one.clause, one.found, one.holds) for one in verdict.clauses] == [
        ("modality", ("DX",), False),
        ("body_part", ("CHEST",), True),
    ]
    assert receiving.stored is None
    assert complete.stored is not None
    assert complete.stored.decision == complete.decision
    assert explain_study(resources, StudyInstanceUID("1.2.3")) is None


def test_another_file_is_asked_without_being_in_force(resources: Resources) -> None:
    register(resources.database, CXR)
    uid = receive_study(resources.database)
    other = read_routes('[default]\naction = "hold"', "other.toml")
    explained = explain_study(resources, uid, other)
    assert explained is not None
    assert explained.decision.action is RuleAction.HOLD

"""The log of stages: the newest word wins, a rollback brings back what was, and all of it is audited."""

import dataclasses

import pytest

from dicom_node.database import audit_trail, deployments, model_register
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.deployments import Act, NewStage
from dicom_node.database.engine import Database
from dicom_node.database.model_register import KnownModel
from dicom_node.domain.audit import Action
from dicom_node.domain.deployment import EVERY_RULE, ModelMode, Stages
from dicom_node.errors import DeploymentRefused
from tests.synthetic.stories import CT, CXR, NOON, finish, register, request_analyses, start

NEWER = dataclasses.replace(CXR, version="1.1.0", weights_sha256="b" * 64)
ACT = Act(who="ann", reason="because", at=NOON)


def in_force(database: Database) -> Stages:
    with database.read() as session:
        return deployments.stages_in_force(session)


def set_stage(
    database: Database, mode: ModelMode | None, *, rule: str = EVERY_RULE, share: float = 1
) -> None:
    stage = NewStage(rule=rule, model_name=CXR.name, model_version=CXR.version, mode=mode, share=share)
    with database.begin() as session:
        deployments.set_stages(session, [stage], ACT)


def roll_back(database: Database, name: str = CXR.name, rule: str = EVERY_RULE) -> None:
    with database.begin() as session:
        deployments.roll_back(session, name, rule=rule, act=ACT)


def known(database: Database, name: str) -> KnownModel:
    with database.read() as session:
        return next(one for one in model_register.registered_models(session) if str(one.identity) == name)


def promote(database: Database, name: str, *instead_of: str, least_read: int = 0) -> int:
    model = known(database, name)
    with database.begin() as session:
        return deployments.promote(
            session, model, rule=EVERY_RULE, instead_of=instead_of, least_read=least_read, act=ACT
        )


@pytest.fixture
def both(database: Database) -> Database:
    register(database, CXR, NEWER, CT)
    return database


def test_without_a_word_nothing_stands_above_the_routes(both: Database) -> None:
    assert in_force(both) == {}


def test_the_newest_word_about_a_rule_stands(both: Database) -> None:
    set_stage(both, ModelMode.SHADOW, rule="films")
    set_stage(both, ModelMode.CANARY, rule="films", share=0.1)
    assert in_force(both) == {("films", CXR.name, CXR.version): (ModelMode.CANARY, 0.1)}


def test_a_later_word_about_every_rule_ends_what_was_said_of_one(both: Database) -> None:
    set_stage(both, ModelMode.ACTIVE, rule="films")
    set_stage(both, ModelMode.OFF)
    assert in_force(both) == {(EVERY_RULE, CXR.name, CXR.version): (ModelMode.OFF, 1.0)}
    set_stage(both, ModelMode.SHADOW, rule="films")
    assert set(in_force(both)) == {
        (EVERY_RULE, CXR.name, CXR.version),
        ("films", CXR.name, CXR.version),
    }


def test_as_the_routes_say_lifts_a_stage(both: Database) -> None:
    set_stage(both, ModelMode.OFF)
    set_stage(both, None)
    assert in_force(both) == {}


def test_a_rollback_brings_back_exactly_what_stood_before_and_the_next_goes_further(both: Database) -> None:
    set_stage(both, ModelMode.SHADOW, rule="films")
    before = in_force(both)
    set_stage(both, ModelMode.CANARY, share=0.5)
    canary = in_force(both)
    set_stage(both, ModelMode.ACTIVE)
    roll_back(both)
    assert in_force(both) == canary
    roll_back(both)
    assert in_force(both) == before
    with pytest.raises(DeploymentRefused, match="nothing to take back"):
        roll_back(both)


def test_a_rolled_back_act_is_still_in_the_log(both: Database) -> None:
    set_stage(both, ModelMode.OFF)
    roll_back(both)
    with both.read() as session:
        log = deployments.stage_log(session)
    assert [(one.mode, one.undoes is not None) for one in log] == [(ModelMode.OFF, False), (None, True)]
    assert log[1].undoes == log[0].act


def test_a_model_that_is_on_no_worker_is_not_staged_to_read(both: Database) -> None:
    stage = NewStage(rule=EVERY_RULE, model_name="nonesuch", model_version="1.0.0", mode=ModelMode.SHADOW)
    refused = pytest.raises(DeploymentRefused, match=r"nonesuch 1.0.0 is on no worker; installed: ct-model")
    with refused, both.begin() as session:
        deployments.set_stages(session, [stage], ACT)
    with both.begin() as session:
        deployments.set_stages(session, [dataclasses.replace(stage, mode=ModelMode.OFF)], ACT)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_between_nothing_and_all(both: Database, share: float) -> None:
    with pytest.raises(DeploymentRefused, match="between 0 and 1"):
        set_stage(both, ModelMode.CANARY, share=share)


def test_a_promotion_ends_the_other_versions_and_what_it_replaces_in_one_act(both: Database) -> None:
    promote(both, str(NEWER), CT.name)
    assert {key[1:]: mode for key, (mode, _) in in_force(both).items()} == {
        (NEWER.name, NEWER.version): ModelMode.ACTIVE,
        (CXR.name, CXR.version): ModelMode.OFF,
        (CT.name, CT.version): ModelMode.OFF,
    }
    roll_back(both, CT.name)
    assert in_force(both) == {}


def test_a_model_that_has_read_too_little_here_is_not_promoted(database: Database) -> None:
    request_analyses(database, CXR)
    with pytest.raises(DeploymentRefused, match="has read 0 studies here, fewer than 1"):
        promote(database, str(CXR), least_read=1)
    finish(database, start(database))
    assert promote(database, str(CXR), least_read=1) == 1


def test_every_act_is_audited_with_who_why_and_what(both: Database) -> None:
    set_stage(both, ModelMode.CANARY, share=0.2)
    promote(both, str(NEWER))
    roll_back(both)
    actions = (Action.MODEL_STAGED, Action.MODEL_PROMOTED, Action.MODEL_ROLLED_BACK)
    with both.read() as session:
        found = audit_trail.search(session, AuditQuery(actions=actions))
    events = [one.event for one in reversed(found)]
    assert [event.action for event in events] == [actions[0], *[actions[1]] * 2, *[actions[2]] * 2]
    assert {event.actor for event in events} == {"ann"}
    assert events[0].detail["reason"] == "because"
    assert (events[0].detail["mode"], events[0].detail["share"]) == ("canary", 0.2)
    assert events[1].subject == str(NEWER)
    assert events[1].detail["weights_sha256"] == NEWER.weights_sha256

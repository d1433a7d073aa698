"""Workers enter their models, version beside version; one version is one set of weights, for ever."""

import dataclasses
from datetime import timedelta

import pytest

from dicom_node.database import audit_trail, model_register
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.database.model_register import FORGOTTEN_AFTER, KnownModel, RegisteredModel
from dicom_node.domain.audit import Action
from dicom_node.domain.finding import ModelIdentity
from dicom_node.errors import ConfigurationError
from tests.synthetic.stories import CT, CXR, NOON, register

NEWER = dataclasses.replace(CXR, version="1.1.0", weights_sha256="b" * 64)


def active(database: Database) -> list[ModelIdentity]:
    with database.read() as session:
        return [model.identity for model in model_register.active_models(session)]


def events(database: Database) -> list[tuple[Action, str]]:
    """What was audited of which model, oldest first."""
    with database.read() as session:
        found = audit_trail.search(session, AuditQuery())
    return [(one.event.action, one.event.subject) for one in reversed(found)]


def known(database: Database) -> dict[str, KnownModel]:
    with database.read() as session:
        return {str(one.identity): one for one in model_register.registered_models(session)}


def offer(
    database: Database,
    worker: str,
    *identities: ModelIdentity,
    chosen: bool = True,
    after: timedelta = timedelta(0),
) -> tuple[ModelIdentity, ...]:
    """A worker registers, and offers nothing else."""
    offered = [
        RegisteredModel(identity=one, modalities=frozenset({"DX"}), chosen=chosen) for one in identities
    ]
    with database.begin() as session:
        return model_register.register_models(session, offered, actor=worker, now=NOON + after)


def test_registered_models_are_listed_with_their_modalities(database: Database) -> None:
    register(database, CT, CXR)
    assert active(database) == [CT, CXR]
    with database.read() as session:
        assert {m.modalities for m in model_register.active_models(session)} == {frozenset({"CR", "DX"})}


def test_registering_again_changes_nothing_and_is_not_audited(database: Database) -> None:
    register(database, CXR)
    register(database, CXR)
    assert active(database) == [CXR]
    assert events(database) == [
        (Action.MODEL_REGISTERED, str(CXR)),
        (Action.MODEL_ACTIVATED, str(CXR)),
    ]


def test_a_newer_version_takes_the_place_of_the_older(database: Database) -> None:
    register(database, CXR)
    register(database, NEWER)
    assert active(database) == [NEWER]


def test_the_older_version_can_be_brought_back(database: Database) -> None:
    for version in (CXR, NEWER, CXR):
        register(database, version)
    assert active(database) == [CXR]
    assert set(events(database)[-2:]) == {
        (Action.MODEL_RETIRED, str(NEWER)),
        (Action.MODEL_ACTIVATED, str(CXR)),
    }


def test_other_weights_under_a_known_version_are_refused(database: Database) -> None:
    register(database, CXR)
    with pytest.raises(ConfigurationError, match="raise its version"):
        register(database, dataclasses.replace(CXR, weights_sha256="0" * 64))
    assert active(database) == [CXR]


def test_a_model_that_is_no_longer_offered_is_retired_and_that_is_audited_once(database: Database) -> None:
    register(database, CXR, CT)
    for _ in range(2):
        register(database, CT)
    assert active(database) == [CT]
    assert [one for one in events(database) if one[0] is Action.MODEL_RETIRED] == [
        (Action.MODEL_RETIRED, str(CXR))
    ]


def test_a_retired_model_comes_back_when_it_is_offered_again(database: Database) -> None:
    for offered in ((CXR, CT), (CT,), (CXR, CT)):
        register(database, *offered)
    assert active(database) == [CT, CXR]


# Version beside version, worker beside worker


def test_a_version_that_is_only_installed_stands_beside_the_active_one(database: Database) -> None:
    offer(database, "one", CXR)
    offer(database, "two", NEWER, chosen=False)
    assert active(database) == [CXR]
    assert {name: (one.active, one.workers) for name, one in known(database).items()} == {
        str(CXR): (True, ("one",)),
        str(NEWER): (False, ("two",)),
    }


def test_workers_that_offer_different_models_do_not_retire_each_others(database: Database) -> None:
    offer(database, "films", CXR)
    offer(database, "slices", CT)
    offer(database, "films", CXR)
    assert active(database) == [CT, CXR]
    assert Action.MODEL_RETIRED not in {action for action, _ in events(database)}


def test_a_worker_that_still_has_the_older_version_does_not_bring_it_back(database: Database) -> None:
    offer(database, "upgraded", NEWER)
    offer(database, "not yet", CXR)
    assert active(database) == [NEWER]


def test_a_worker_that_gave_no_sign_of_life_offers_nothing_any_more(database: Database) -> None:
    offer(database, "gone", NEWER)
    offer(database, "here", CXR, after=FORGOTTEN_AFTER + timedelta(seconds=1))
    assert active(database) == [CXR]
    assert not known(database)[str(NEWER)].installed


def test_a_worker_that_lives_is_not_forgotten_and_one_that_was_is_told(database: Database) -> None:
    offer(database, "alive", NEWER)
    later = FORGOTTEN_AFTER + timedelta(seconds=1)
    with database.begin() as session:
        assert model_register.keep_registered(session, "alive", now=NOON + later)
        assert not model_register.keep_registered(session, "forgotten", now=NOON + later)
    offer(database, "here", CXR, after=later)
    assert active(database) == [NEWER]


def test_a_candidate_with_other_weights_is_left_out_and_stops_no_worker(database: Database) -> None:
    offer(database, "one", CXR)
    forged = dataclasses.replace(CXR, weights_sha256="0" * 64)
    assert offer(database, "two", forged, chosen=False) == (forged,)
    assert known(database)[str(CXR)].identity == CXR
    assert known(database)[str(CXR)].workers == ("one",)

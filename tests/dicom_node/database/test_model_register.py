"""Workers enter their models; one version is one set of weights, for ever."""

import dataclasses

import pytest

from dicom_node.database import audit_trail, model_register
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.domain.finding import ModelIdentity
from dicom_node.errors import ConfigurationError
from tests.synthetic.stories import CT, CXR, register

NEWER = dataclasses.replace(CXR, version="1.1.0", weights_sha256="b" * 64)


def active(database: Database) -> list[ModelIdentity]:
    with database.read() as session:
        return [model.identity for model in model_register.active_models(session)]


def events(database: Database) -> int:
    with database.read() as session:
        return len(audit_trail.search(session, AuditQuery()))


def test_registered_models_are_listed_with_their_modalities(database: Database) -> None:
    register(database, CT, CXR)
    assert active(database) == [CT, CXR]
    with database.read() as session:
        assert {m.modalities for m in model_register.active_models(session)} == {frozenset({"CR", "DX"})}


def test_registering_again_changes_nothing_and_is_not_audited(database: Database) -> None:
    register(database, CXR)
    register(database, CXR)
    assert active(database) == [CXR]
    assert events(database) == 1


def test_a_newer_version_takes_the_place_of_the_older(database: Database) -> None:
    register(database, CXR)
    register(database, NEWER)
    assert active(database) == [NEWER]


def test_the_older_version_can_be_brought_back(database: Database) -> None:
    for version in (CXR, NEWER, CXR):
        register(database, version)
    assert active(database) == [CXR]
    assert events(database) == 3


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
    assert events(database) == 3


def test_a_retired_model_comes_back_when_it_is_offered_again(database: Database) -> None:
    for offered in ((CXR, CT), (CT,), (CXR, CT)):
        register(database, *offered)
    assert active(database) == [CT, CXR]

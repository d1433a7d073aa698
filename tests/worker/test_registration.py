"""A worker's entries in the register: made at its start, made again when they were forgotten."""

import dataclasses

import pytest

from dicom_node.database import model_register
from dicom_node.database.model_register import FORGOTTEN_AFTER, RegisteredModel
from dicom_node.domain.finding import ModelIdentity
from dicom_node.errors import ConfigurationError
from dicom_node.resources import Resources
from tests.synthetic.stories import CT, CXR
from worker.registration import SIGN_OF_LIFE_EVERY, Registration


def registration(
    resources: Resources, worker: str, *identities: ModelIdentity, chosen: bool = True
) -> Registration:
    offered = [
        RegisteredModel(identity=one, modalities=frozenset({"DX"}), chosen=chosen) for one in identities
    ]
    return Registration(resources, offered, worker)


def workers_with(resources: Resources, identity: ModelIdentity) -> tuple[str, ...]:
    with resources.database.read() as session:
        found = model_register.registered_models(session)
    return next((one.workers for one in found if one.identity == identity), ())


def forget_everybody(resources: Resources) -> None:
    """Another worker starts long after the last sign of life."""
    with resources.database.begin() as session:
        later = resources.database.now(session) + 2 * FORGOTTEN_AFTER
        model_register.register_models(session, [], actor="late", now=later)


def test_several_signs_of_life_may_be_lost_before_a_worker_is_forgotten() -> None:
    assert SIGN_OF_LIFE_EVERY * 5 < FORGOTTEN_AFTER


def test_a_worker_that_was_forgotten_registers_again_with_its_next_sign_of_life(
    resources: Resources,
) -> None:
    own = registration(resources, "worker:a", CXR)
    own.enter()
    own.keep()
    assert workers_with(resources, CXR) == ("worker:a",)
    forget_everybody(resources)
    assert workers_with(resources, CXR) == ()
    own.keep()
    assert workers_with(resources, CXR) == ("worker:a",)


def test_a_candidate_with_other_weights_is_logged_and_left_out(
    resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    registration(resources, "worker:a", CXR, CT).enter()
    forged = dataclasses.replace(CXR, weights_sha256="0" * 64)
    registration(resources, "worker:b", forged, CT, chosen=False).enter()
    assert "registered with other weights, not offered" in caplog.text
    assert workers_with(resources, CT) == ("worker:a", "worker:b")
    assert workers_with(resources, forged) == ()
    with pytest.raises(ConfigurationError, match="raise its version"):
        registration(resources, "worker:b", forged).enter()

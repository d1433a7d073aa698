"""Which models read under a rule: the document, with the stages above it; canaries split by UID alone."""

import math

import pytest

from dicom_node.domain.deployment import EVERY_RULE, ModelMode, Stages
from dicom_node.domain.finding import ModelIdentity
from dicom_node.domain.identifiers import StudyInstanceUID
from dicom_node.domain.routing import InstalledModel, SeriesFacts, StudyFacts
from dicom_node.routing.document import ModelUse, Routes, parse_routes
from dicom_node.routing.staging import (
    choices_under,
    falls_within,
    in_force,
    pinned_otherwise,
    taking_part,
    unserved,
)
from tests.synthetic.stories import NOON, study_uid

FILMS, CTS = frozenset({"CR", "DX"}), frozenset({"CT"})
STUDIES = 1000


def identity(name: str, version: str = "1.0.0") -> ModelIdentity:
    return ModelIdentity(name=name, version=version, weights_sha256=(name[0] + version[0]) * 32)


def installed(name: str, version: str = "1.0.0", *, active: bool = True) -> InstalledModel:
    reads = CTS if name.startswith("ct") else FILMS
    return InstalledModel(model=identity(name, version), modalities=reads, active=active)


MODELS = (
    installed("champion"),
    installed("champion", "2.0.0", active=False),
    installed("extra", active=False),
    installed("ct-model"),
)


def facts(number: int = 1, modality: str = "DX") -> StudyFacts:
    series = SeriesFacts(
        series_instance_uid=f"{study_uid(number)}.1",
        sop_class_uids=frozenset({"1.2.840.10008.5.1.4.1.1.1.1"}),
        header={"Modality": (modality,)},
    )
    return StudyFacts(
        study_instance_uid=StudyInstanceUID(study_uid(number)),
        calling_ae_titles=frozenset({"MODALITY"}),
        completed_at=NOON,
        series=(series,),
    )


def chosen(
    uses: tuple[ModelUse, ...] | None, stages: Stages | None = None, *, rule: str = "films"
) -> dict[str, ModelMode]:
    found = choices_under(rule, uses, facts(), MODELS, stages or {})
    return {str(choice.model): choice.mode for choice in found}


def stage(
    name: str, mode: ModelMode, *, version: str = "1.0.0", rule: str = EVERY_RULE, share: float = 1.0
) -> Stages:
    return {(rule, name, version): (mode, share)}


def test_where_no_model_is_named_the_active_ones_read_what_they_can() -> None:
    assert chosen(None) == {"champion 1.0.0": ModelMode.ACTIVE}
    assert chosen(()) == {}


def test_a_name_alone_means_the_active_version_or_the_only_one_there_is() -> None:
    assert chosen((ModelUse(name="champion"), ModelUse(name="extra", mode=ModelMode.SHADOW))) == {
        "champion 1.0.0": ModelMode.ACTIVE,
        "extra 1.0.0": ModelMode.SHADOW,
    }
    assert chosen((ModelUse(name="champion", version="2.0.0"),)) == {"champion 2.0.0": ModelMode.ACTIVE}


def test_a_stage_stands_above_the_document() -> None:
    uses = (ModelUse(name="champion"),)
    assert chosen(uses, stage("champion", ModelMode.OFF)) == {}
    assert chosen(uses, stage("champion", ModelMode.SHADOW)) == {"champion 1.0.0": ModelMode.SHADOW}


def test_a_stage_adds_a_challenger_where_it_reads_such_images_only() -> None:
    both = {"champion 1.0.0": ModelMode.ACTIVE, "extra 1.0.0": ModelMode.SHADOW}
    assert chosen(None, stage("extra", ModelMode.SHADOW)) == both
    assert chosen(None, stage("ct-model", ModelMode.SHADOW)) == {"champion 1.0.0": ModelMode.ACTIVE}


def test_a_stage_of_every_rule_adds_nothing_where_no_model_shall_read_but_one_of_the_rule_does() -> None:
    assert chosen((), stage("extra", ModelMode.SHADOW)) == {}
    assert chosen((), stage("extra", ModelMode.SHADOW, rule="films")) == {"extra 1.0.0": ModelMode.SHADOW}


def test_a_stage_of_one_rule_stands_above_one_of_all_and_touches_no_other_rule() -> None:
    stages = {
        **stage("champion", ModelMode.OFF),
        **stage("champion", ModelMode.ACTIVE, rule="films"),
    }
    assert chosen(None, stages) == {"champion 1.0.0": ModelMode.ACTIVE}
    assert chosen(None, stages, rule="other") == {}


def test_a_promoted_version_is_what_the_name_means_even_when_a_newer_one_is_installed() -> None:
    stages = {
        **stage("champion", ModelMode.ACTIVE, version="2.0.0"),
        **stage("champion", ModelMode.OFF),
    }
    newer = (*MODELS, installed("champion", "3.0.0"))
    for uses in (None, (ModelUse(name="champion"),)):
        found = choices_under("films", uses, facts(), newer[1:], stages)
        assert [str(choice.model) for choice in found] == ["champion 2.0.0"]


def test_other_weights_than_the_document_pins_are_not_asked() -> None:
    pinned = ModelUse(name="champion", weights_sha256=identity("champion").weights_sha256)
    forged = ModelUse(name="champion", weights_sha256="f" * 64)
    hexed = (InstalledModel(model=identity("champion"), modalities=FILMS, active=True),)
    assert choices_under("films", (forged,), facts(), hexed, {}) == ()
    assert choices_under("films", (forged,), facts(), hexed, stage("champion", ModelMode.ACTIVE)) == ()
    assert len(choices_under("films", (pinned,), facts(), hexed, {})) == 1


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_a_canary_is_active_for_its_share_and_shadow_for_all_others(share: float) -> None:
    uses = (ModelUse(name="extra", mode=ModelMode.CANARY, share=share),)
    active = sum(
        choices_under("films", uses, facts(number), MODELS, {})[0].mode is ModelMode.ACTIVE
        for number in range(STUDIES)
    )
    tolerated = 4 * math.sqrt(STUDIES * share * (1 - share))  # four standard deviations
    assert abs(active - STUDIES * share) <= tolerated


def test_a_larger_share_keeps_the_studies_of_the_smaller_and_another_model_takes_others() -> None:
    def of(name: str, share: float) -> set[int]:
        return {n for n in range(STUDIES) if falls_within(share, identity(name), study_uid(n))}

    assert of("extra", 0.1) < of("extra", 0.3)
    assert of("extra", 0.1) == of("extra", 0.1)
    assert len(of("extra", 0.3) & of("champion", 0.3)) < 0.5 * len(of("extra", 0.3))


def routes(models: str) -> Routes:
    return parse_routes(f'[[rules]]\nname = "films"\nthen.models = [{models}]\n')


@pytest.mark.parametrize(
    ("models", "stages", "said"),
    [
        ('{name = "nonesuch"}', {}, "rule 'films': no worker has nonesuch, nothing is asked of it"),
        ('{name = "champion", version = "9.0.0"}', {}, "no worker has champion 9.0.0"),
        (f'{{name = "champion", weights_sha256 = "{"f" * 64}"}}', {}, "with the pinned weights ffffffff"),
        ("", stage("gone", ModelMode.SHADOW), "stage of rule '*': no worker has gone 1.0.0"),
    ],
)
def test_what_is_named_and_on_no_worker_is_said(models: str, stages: Stages, said: str) -> None:
    (line,) = unserved(routes(models), MODELS, stages)
    assert said in line


def test_nothing_is_said_of_what_is_served_or_off() -> None:
    document = routes('{name = "champion"}, {name = "nonesuch", mode = "off"}')
    assert unserved(document, MODELS, stage("gone", ModelMode.OFF)) == ()


def test_what_is_in_force_stands_beside_what_the_routes_say() -> None:
    document = routes('{name = "extra", mode = "canary", share = 0.25}')
    assert in_force(document, MODELS, stage("champion", ModelMode.OFF)) == (
        ("films", "champion 1.0.0", "-", "off"),
        ("films", "extra 1.0.0", "canary 25%", "canary 25%"),
        ("default", "champion 1.0.0", "active", "off"),
        ("default", "ct-model 1.0.0", "active", "active"),
    )


def test_the_models_to_load_are_those_that_some_rule_asks() -> None:
    document = routes(
        '{name = "extra", mode = "shadow"}, {name = "champion", version = "2.0.0", mode = "off"}'
    )
    stages = {**stage("champion", ModelMode.OFF)}
    assert taking_part(document, MODELS, stages) == (identity("extra"), identity("ct-model"))


@pytest.mark.parametrize(
    ("rule", "forbidding"), [(EVERY_RULE, ("films",)), ("films", ("films",)), ("other", ())]
)
def test_a_pin_forbids_other_weights_where_the_stage_is_about_its_rule(
    rule: str, forbidding: tuple[str, ...]
) -> None:
    document = routes(f'{{name = "champion", weights_sha256 = "{"f" * 64}"}}')
    assert pinned_otherwise(document, identity("champion"), rule) == forbidding
    assert pinned_otherwise(routes('{name = "champion"}'), identity("champion"), rule) == ()

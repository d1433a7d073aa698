"""The status says which models routes and stages name that no worker has."""

from dicom_node.database import deployments, model_register
from dicom_node.database.deployments import Act, NewStage
from dicom_node.database.rule_sets import RuleSet, enter_rule_set
from dicom_node.domain.deployment import EVERY_RULE, ModelMode
from dicom_node.resources import Resources
from dicom_node.web.health import node_status
from tests.synthetic.stories import CT, CXR, NOON, register

GONE = "stage of rule '*': no worker has ct-model 2.1.0, nothing is asked of it"
NAMED = "default: no worker has nonesuch, nothing is asked of it"


def test_a_model_that_is_named_and_on_no_worker_is_a_warning(resources: Resources) -> None:
    register(resources.database, CXR, CT)
    stage = NewStage(rule=EVERY_RULE, model_name=CT.name, model_version=CT.version, mode=ModelMode.SHADOW)
    rules = RuleSet(
        sha256="0" * 64,
        text='[default]\nmodels = [{name = "nonesuch"}]\n',
        source="test",
        activated_at=NOON,
        activated_by="ann",
    )
    with resources.database.begin() as session:
        deployments.set_stages(session, [stage], Act(who="ann", reason="try it", at=NOON))
        enter_rule_set(session, rules)
    assert node_status(resources).unserved == (NAMED,)
    register(resources.database, CXR)
    status = node_status(resources)
    assert status.as_json()["unserved_models"] == [NAMED, GONE]
    assert {NAMED, GONE} <= set(status.warnings())


def test_nothing_is_missed_before_any_worker_has_started(resources: Resources) -> None:
    with resources.database.read() as session:
        assert model_register.installed_models(session) == ()
    assert node_status(resources).unserved == ()

"""Networks by name: on any backbone, with options in the name, and refusals in one line."""

import pytest
import torch

from models.errors import ModelsError, UnbuildableNetwork, UnknownModel
from models.networks.enhanced import EnhancedNetwork, EnhancedOptions
from models.networks.modified import FusionOptions
from models.networks.normalisation import Norm
from models.networks.registry import NETWORKS, build_network, options_named
from models.networks.spatial_pyramid import PyramidOptions
from models.networks.trunks import build_backbone
from models.networks.variants import spelled, with_items


@pytest.mark.parametrize("backbone", ["lcnet_050", "vgg11_bn", "vgg19_bn"])
@pytest.mark.parametrize("prefix", ["dspp_cid_", "modified_", "plain_"])
def test_the_modules_go_on_a_backbone_by_name(prefix: str, backbone: str) -> None:
    with torch.device("meta"):
        network = build_network(prefix + backbone, classes=4).eval()
        explained = network.explained(torch.empty(2, 3, 64, 64))
    assert explained.logits.shape == (2, 4)
    assert len(explained.maps) == (5 if prefix == "modified_" else 1)


def test_a_backbone_of_timm_learns_from_every_tapped_stage() -> None:
    network = build_network("dspp_cid_lcnet_050", classes=2).train()
    network(torch.rand(2, 3, 64, 64) * 255).sum().backward()
    assert isinstance(network, EnhancedNetwork)
    assert network.pyramid is not None
    for branch in network.pyramid.branches:
        gradient = next(branch.parameters()).grad
        assert gradient is not None
        assert float(gradient.abs().max()) > 0


def test_a_trunk_reads_pixels_as_timm_s_weights_of_it_do() -> None:
    with torch.device("meta"):
        assert build_backbone("lcnet_050").trunk.normalise.norm is Norm.IMAGENET
        assert build_backbone("tf_efficientnet_lite1").trunk.normalise.norm is Norm.UNIT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet9000", "modified_resnet18"),
        ("dspp_cid_resnet9000", "no model called 'resnet9000'"),
        ("dspp_cid_convnext_tiny", r"strides \(4, 8, 16, 32\)"),
        ("modified_vit_tiny_patch16_224", "strides"),
        ("dspp_cid_resnet18:gates=none", "no option 'gates=none'; known options: stages"),
        ("dspp_cid_resnet18:gate=open", "no option 'gate=open'"),
        ("dspp_cid_resnet18:stages=7", "stages are different numbers of 1 to 6"),
        ("dspp_cid_resnet18:maps=7", "512 channels cannot share 7"),
        ("modified_resnet18:stages=6", "no option"),
        ("plain_resnet18:stages=6", "known options: none"),
        ("vgg16:norm=raw255", "known options: none"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(name: str, words: str) -> None:
    with pytest.raises(ModelsError, match=words) as refusal, torch.device("meta"):
        build_network(name, classes=2)
    assert isinstance(refusal.value, UnknownModel | UnbuildableNetwork)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["dspp_cid_resnet18", "modified_resnet18", "vgg16"])
def test_options_of_another_network_are_refused(name: str) -> None:
    other = FusionOptions() if name.startswith("dspp") else EnhancedOptions()
    with pytest.raises(UnbuildableNetwork), torch.device("meta"):
        build_network(name, classes=2, options=other)


@pytest.mark.parametrize(
    "name",
    [
        *NETWORKS,
        "dspp_cid_resnet18:stages=5+6,alpha=2.5,align=pool,mix=sum,width=64,join=concat,cid=none",
        "dspp_cid_resnet18:stages=none,maps=4,inner=none,gate=residual",
        "modified_resnet18:fusion=concat,norm=imagenet,width=16,dropout=0.2",
        "modified_mobilenet_v3_small:last=1024",
    ],
)
def test_options_spelled_out_are_read_back_as_they_were(name: str) -> None:
    options = options_named(name)
    items = ",".join(f"{key}={value}" for key, value in spelled(options).items())
    assert with_items(NETWORKS[name.partition(":")[0]].options, items) == options


def test_options_in_a_name_and_options_as_values_build_the_same() -> None:
    by_value = EnhancedOptions(pyramid=PyramidOptions(stages=(5, 6)), attention=None)
    with torch.device("meta"):
        named = build_network("dspp_cid_resnet18:stages=5+6,cid=none", classes=2)
        given = build_network("dspp_cid_resnet18", classes=2, options=by_value)
    shapes = [{key: tensor.shape for key, tensor in n.state_dict().items()} for n in (named, given)]
    assert shapes[0] == shapes[1]
    assert not any(key.startswith("attention") for key in shapes[0])

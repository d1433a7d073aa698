"""A study is read in one pass: any batch gives the same answer, only likely key slices keep their maps."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.catalog import card_named
from models.classifiers import SliceClassifier, _Reading, key_count
from models.contract import ImageKind
from models.defaults import DEFAULT_MODELS
from models.engines import TorchEngine
from models.networks.baselines import Baseline
from models.networks.heads import FlattenHead, PooledLinearHead
from models.networks.interface import Explained
from models.networks.normalisation import Norm

CARD = card_named(DEFAULT_MODELS[ImageKind.CHEST_CT])
SLICES = np.random.default_rng(4).integers(-1200, 300, (23, 40, 48)).astype(np.int16)


@dataclass
class CountingEngine:
    """A small torch network that remembers how many images it was shown."""

    engine: TorchEngine
    shown: list[int] = field(default_factory=list)

    def run(self, images: Tensor) -> Explained:
        self.shown.append(len(images))
        return self.engine.run(images)


@pytest.fixture
def engine() -> CountingEngine:
    torch.manual_seed(2)
    layers = nn.Sequential(nn.Conv2d(3, 8, 7, 8), nn.ReLU())
    network = Baseline(layers, PooledLinearHead(8, len(CARD.labels)), Norm.UNIT)
    return CountingEngine(TorchEngine(network, "cpu"))


@pytest.mark.parametrize("batch", [1, 5, 23, 64])
def test_every_batch_size_gives_the_same_study(engine: CountingEngine, batch: int) -> None:
    classifier = SliceClassifier(card=CARD, engine=engine)
    wanted, found = classifier.classify(SLICES), classifier.classify(SLICES, batch)
    assert found.key_slices == wanted.key_slices
    assert len(found.key_slices) == key_count(len(SLICES)) == 3
    assert np.allclose(found.slice_probabilities, wanted.slice_probabilities, atol=1e-6)
    assert np.allclose(found.saliency, wanted.saliency, atol=1e-4)


def test_no_slice_is_shown_to_the_network_twice(engine: CountingEngine) -> None:
    SliceClassifier(card=CARD, engine=engine).classify(SLICES, 10)
    assert engine.shown == [10, 10, 3]


def test_a_key_slice_has_the_heat_map_that_it_has_alone(engine: CountingEngine) -> None:
    classifier = SliceClassifier(card=CARD, engine=engine)
    study = classifier.classify(SLICES)
    for place, index in enumerate(study.key_slices):
        alone = classifier.classify(SLICES[index : index + 1])
        assert np.allclose(study.saliency[place], alone.saliency[0], atol=1e-4)


def test_a_network_whose_maps_need_a_backward_pass_classifies_too() -> None:
    head = FlattenHead(nn.Sequential(nn.Linear(8 * 49, 6), nn.ReLU(), nn.Linear(6, len(CARD.labels))))
    network = Baseline(nn.Conv2d(3, 8, 7, 8), head, Norm.UNIT)
    study = SliceClassifier(card=CARD, engine=TorchEngine(network, "cpu")).classify(SLICES[:3])
    assert study.slice_probabilities.shape == (3, len(CARD.labels))
    assert study.evidence_by_scale[0] != 0


def test_maps_of_what_can_no_longer_be_a_key_slice_are_dropped() -> None:
    reading = _Reading(target=0, keys=2)
    for scores in ([0.1, 0.9, 0.2], [0.3, 0.95]):
        probabilities = torch.tensor([[p, 1 - p] for p in scores])
        maps = (torch.arange(len(scores) * 2.0).reshape(-1, 2, 1, 1),)
        reading.add(
            probabilities, Explained(logits=probabilities, pooled=torch.zeros(len(scores), 1), maps=maps)
        )
        assert len(reading.maps) <= 2
    assert set(reading.maps) == {1, 4}
    assert float(reading.maps[4][0]) == 2

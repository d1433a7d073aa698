"""One node and one PACS for all journeys of a module: studies differ, the node goes on."""

from collections.abc import Iterator

import pytest

from tests.journeys.exchange import Sender
from tests.journeys.running_node import RunningNode, running_node
from tests.peers.pacs import Pacs


@pytest.fixture(scope="module")
def pacs() -> Iterator[Pacs]:
    with Pacs() as running:
        yield running


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, pacs: Pacs) -> Iterator[RunningNode]:
    home = tmp_path_factory.mktemp("node")
    with running_node(home, destinations=str(pacs.destination), calling_ae_titles="MODALITY") as running:
        yield running


@pytest.fixture
def modality(node: RunningNode) -> Sender:
    return Sender(node)

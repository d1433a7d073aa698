"""Sending to the node, and looking at what its PACS got."""

from pathlib import Path

from dicom_node import scu
from tests.journeys.running_node import RunningNode
from tests.peers.pacs import Pacs, Received


class Sender:
    """A modality that sends to the node."""

    def __init__(self, node: RunningNode) -> None:
        self._node = node

    def send(self, *paths: Path) -> list[scu.InstanceOutcome]:
        return scu.send_instances(list(paths), self._node.destination, calling_ae_title="MODALITY")


def results_at(pacs: Pacs, study_instance_uid: str) -> list[Received]:
    """Every C-STORE of the study that the PACS kept."""
    return [one for one in pacs.kept if one.dataset().StudyInstanceUID == study_instance_uid]


def assert_exactly_one_result(pacs: Pacs, study_instance_uid: str) -> None:
    """One SR and one SC by identity; a re-send after a crash is the same bytes under the same UID."""
    results = results_at(pacs, study_instance_uid)
    by_modality: dict[str, set[str]] = {}
    contents: dict[str, set[bytes]] = {}
    for one in results:
        by_modality.setdefault(one.dataset().Modality, set()).add(one.sop_instance_uid)
        contents.setdefault(one.sop_instance_uid, set()).add(one.encoded)
    assert {modality: len(uids) for modality, uids in by_modality.items()} == {"SR": 1, "OT": 1}
    assert all(len(versions) == 1 for versions in contents.values())

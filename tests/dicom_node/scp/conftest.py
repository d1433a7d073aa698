"""A running listener of the node, and what it has kept and audited."""

import time
from collections.abc import Callable, Iterator

import pytest

from dicom_node.database import audit_trail
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.imaging.transfer_syntaxes import decodable_transfer_syntaxes
from dicom_node.resources import Resources
from dicom_node.scp.server import NodeServer


@pytest.fixture(scope="session")
def transfer_syntaxes() -> tuple[str, ...]:
    return decodable_transfer_syntaxes()


@pytest.fixture
def server(resources: Resources, transfer_syntaxes: tuple[str, ...]) -> Iterator[NodeServer]:
    running = NodeServer(resources, transfer_syntaxes=transfer_syntaxes)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def audited(resources: Resources) -> Callable[..., list[AuditEvent]]:
    """Return the audit events of these actions, oldest first."""

    def read(*actions: Action) -> list[AuditEvent]:
        with resources.database.read() as session:
            found = audit_trail.search(session, AuditQuery(actions=actions))
        return [recorded.event for recorded in reversed(found)]

    return read


@pytest.fixture
def archived(resources: Resources) -> Callable[[], list[str]]:
    """Return the names of all files below the archive's root, also of half received ones."""

    def list_files() -> list[str]:
        return sorted(path.name for path in resources.archive.root.rglob("*") if path.is_file())

    return list_files


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait until the condition holds; fail after ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "not in ten seconds"
            time.sleep(0.01)

    return wait

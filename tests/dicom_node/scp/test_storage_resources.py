"""C-STORE when something is away or full: the sender is asked to come again, and nothing is left behind."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicom_node.database import audit_trail, studies
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.domain.audit import Action, AuditEvent
from dicom_node.resources import Resources, open_resources
from dicom_node.scp.server import NodeServer
from dicom_node.settings import Settings
from tests.peers.sender import Sender
from tests.synthetic.studies import chest_film

Audited = Callable[..., list[AuditEvent]]
Archived = Callable[[], list[str]]


def test_below_the_minimum_of_free_space_the_sender_is_asked_to_come_again(
    resources: Resources, transfer_syntaxes: tuple[str, ...], audited: Audited, archived: Archived
) -> None:
    strict = open_resources(resources.settings.model_copy(update={"minimum_free_space_mb": 1 << 40}))
    with _running(strict, transfer_syntaxes) as server, Sender(server.port) as sender:
        refused = sender.send(chest_film())
    assert refused.Status == 0xA700
    assert archived() == []
    (event,) = audited(Action.INSTANCE_REFUSED)
    assert "free space" in str(event.detail["reason"])


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_full_disk_is_answered_and_works_again_when_there_is_space(
    settings: Settings, database_url: str, transfer_syntaxes: tuple[str, ...]
) -> None:
    archive = settings.data_home / "archive"
    archive.mkdir(parents=True)
    with ExitStack() as stack:
        stack.enter_context(_small_file_system(archive))
        resources = open_resources(settings.model_copy(update={"database_url": database_url}))
        server = stack.enter_context(_running(resources, transfer_syntaxes))
        ballast = archive / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(archive).free - (64 << 10)))
        with Sender(server.port) as sender:
            refused = sender.send(chest_film())
            left = [path.name for path in archive.rglob("*") if path.is_file()]
            ballast.unlink()
            accepted = sender.send(chest_film())
        with resources.database.read() as session:
            events = audit_trail.search(session, AuditQuery(actions=(Action.INSTANCE_REFUSED,)))
    assert refused.Status == 0xA700
    assert left == ["ballast"]
    assert "No space left" in str(events[0].event.detail["reason"])
    assert accepted.Status == 0x0000


@contextmanager
def _small_file_system(folder: Path) -> Iterator[None]:
    """Mount four megabytes of memory; 256 folders fit, and a film."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root and a kernel that allows it")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def _running(resources: Resources, transfer_syntaxes: tuple[str, ...]) -> Iterator[NodeServer]:
    server = NodeServer(resources, transfer_syntaxes=transfer_syntaxes)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        resources.close()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "unreachable",
    ["sqlite:////proc", "postgresql+psycopg://nobody@/node?host=/nonexistent"],
    ids=["sqlite", "postgresql"],
)
def test_without_a_database_the_sender_is_asked_to_come_again(
    resources: Resources,
    transfer_syntaxes: tuple[str, ...],
    archived: Archived,
    caplog: pytest.LogCaptureFixture,
    unreachable: str,
) -> None:
    away = replace(resources, database=Database(unreachable))
    with _running(away, transfer_syntaxes) as server, Sender(server.port) as sender:
        refused = sender.send(chest_film())
        assert sender.association.send_c_echo().Status == 0x0000, "the association goes on"
    assert refused.Status == 0xA700
    assert archived() == []
    assert "refusal not audited: no database" in caplog.text


def test_a_database_that_fails_in_the_middle_keeps_nothing(
    server: NodeServer, resources: Resources, archived: Archived, audited: Audited
) -> None:
    with resources.database.begin() as session:
        session.execute(sa.text("ALTER TABLE instances RENAME TO moved_away"))
    try:
        with Sender(server.port) as sender:
            refused = sender.send(chest_film())
            assert sender.association.is_established
    finally:
        with resources.database.begin() as session:
            session.execute(sa.text("ALTER TABLE moved_away RENAME TO instances"))
    assert refused.Status in {0xA700, 0xC0FF}
    assert "moved_away" not in (refused.ErrorComment or "")
    assert archived() == []
    assert len(audited(Action.INSTANCE_REFUSED)) == 1
    with resources.database.read() as session:
        assert studies.find_study(session, chest_film().StudyInstanceUID) is None

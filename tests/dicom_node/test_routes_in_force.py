"""Which routes are in force: what is configured at start, and what a person activates, for all at once."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dicom_node.database import audit_trail
from dicom_node.database.audit_trail import AuditQuery
from dicom_node.database.engine import Database
from dicom_node.database.rule_sets import newest_rule_set
from dicom_node.domain.audit import Action
from dicom_node.errors import RoutesRefused
from dicom_node.routes_in_force import activate, activate_configured, active_routes
from dicom_node.routing.document import Routes
from dicom_node.routing.loading import read_routes
from dicom_node.settings import Settings
from dicom_node.web.route_status import route_status
from tests.synthetic.routed import PLACES, put_in_force
from tests.synthetic.stories import NOON


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(PLACES)
    return path


@pytest.fixture
def configured(settings: Settings, file: Path) -> Settings:
    return settings.model_copy(update={"routes": file})


def in_force(database: Database) -> Routes:
    with database.read() as session:
        return active_routes(session)[1]


def activations(database: Database) -> list[str]:
    """Who, oldest first."""
    with database.read() as session:
        found = audit_trail.search(session, AuditQuery(actions=(Action.ROUTES_ACTIVATED,)))
    return [one.event.actor for one in reversed(found)]


def test_before_the_first_start_nothing_is_in_force(database: Database) -> None:
    assert in_force(database) == Routes()


def test_the_configured_file_is_activated_once_and_again_when_it_changes(
    database: Database, configured: Settings, file: Path
) -> None:
    activate_configured(database, configured)
    activate_configured(database, configured)
    assert activations(database) == ["dispatcher"]
    assert sorted(in_force(database).destinations) == ["BACKUP", "PACS"]
    file.write_text("# nothing\n")
    activate_configured(database, configured)
    assert activations(database) == ["dispatcher", "dispatcher"]
    assert in_force(database) == Routes()


def test_without_a_file_results_go_to_the_destinations_of_the_settings(
    database: Database, settings: Settings
) -> None:
    activate_configured(database, settings.model_copy(update={"destinations": ("PACS@h:104",)}))
    assert in_force(database).default.destinations == ("PACS@h:104",)
    activate_configured(database, settings)
    assert in_force(database).default.destinations == ()


def test_what_a_person_activated_outlives_a_restart_without_a_file(
    database: Database, settings: Settings
) -> None:
    activate_configured(database, settings)
    put_in_force(database, PLACES)
    activate_configured(database, settings)
    assert activations(database) == ["dispatcher", "user:test"]


def test_a_wrong_file_is_refused_while_nothing_is_in_force(
    database: Database, configured: Settings, file: Path
) -> None:
    file.write_text("\nmatch = 1\n")
    with pytest.raises(RoutesRefused, match=r"routes\.toml:2: match"):
        activate_configured(database, configured)
    file.unlink()
    with pytest.raises(RoutesRefused, match=r"routes\.toml:1: No such file"):
        activate_configured(database, configured)
    assert activations(database) == []


def test_a_wrong_file_leaves_the_older_routes_in_force_and_everybody_is_told(
    database: Database, configured: Settings, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    activate_configured(database, configured)
    file.write_text("match = 1\n")

    with caplog.at_level(logging.ERROR):
        activate_configured(database, configured)

    assert "PACS" in in_force(database).destinations
    assert "older ones stay in force" in caplog.text
    with database.read() as session:
        told = route_status(session, configured)
    assert "not in force" in told.warnings()[0]
    assert "routes.toml:1: match" in told.warnings()[0]


def test_a_file_that_was_changed_and_not_activated_is_told(
    database: Database, configured: Settings, file: Path
) -> None:
    activate_configured(database, configured)
    with database.read() as session:
        assert route_status(session, configured).problems == ()
    file.write_text(PLACES + "# changed\n")
    with database.read() as session:
        assert "routes activate" in route_status(session, configured).problems[0]


def test_readers_see_the_old_routes_or_the_new_ones_and_nothing_between(database: Database) -> None:
    texts = [PLACES + f'[default]\ndestinations = ["PACS", "BACKUP"]\npriority = {n}\n' for n in (1, 2)]
    put_in_force(database, texts[0])
    stop = threading.Event()

    def read_all_the_time(_: int) -> set[int | None]:
        seen = set()
        while not stop.is_set():
            routes = in_force(database)
            assert routes.default.destinations == ("PACS", "BACKUP")
            seen.add(routes.default.priority)
        return seen

    with ThreadPoolExecutor(2) as readers:
        found = [readers.submit(read_all_the_time, number) for number in range(2)]
        for number in range(1, 21):
            put_in_force(database, texts[number % 2])
        stop.set()
    assert set().union(*(one.result() for one in found)) <= {1, 2}
    assert len(activations(database)) == 21


def test_two_who_activate_the_same_enter_it_once(database: Database) -> None:
    document = read_routes(PLACES, "test")
    together = threading.Barrier(2)

    def enter(_: int) -> bool:
        together.wait(timeout=10)
        with database.begin() as session:
            return activate(session, document, actor="user:test", now=NOON)

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(enter, range(2))) == [False, True]
    with database.read() as session:
        newest = newest_rule_set(session)
    assert newest is not None
    assert newest.text == PLACES

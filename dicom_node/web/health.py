"""What runs and what waits: one gathering for the page, the API, the probes and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import kombu
from kombu.exceptions import OperationalError
from sqlalchemy.orm import Session

from dicom_node import readiness
from dicom_node.database import (
    dead_letters,
    deployments,
    destination_health,
    jobs,
    migrate,
    model_register,
)
from dicom_node.database.dead_letters import DeliveryCounts
from dicom_node.database.worklist import study_counts
from dicom_node.domain.delivery import DestinationHealth
from dicom_node.domain.job import JobState, Queue
from dicom_node.domain.study import StudyState
from dicom_node.errors import OutOfResources, RoutesRefused
from dicom_node.messaging.embedded_broker import effective_broker_url
from dicom_node.resources import Resources
from dicom_node.routes_in_force import active_routes
from dicom_node.routing.staging import unserved
from dicom_node.settings import Settings
from dicom_node.web.route_status import RouteStatus, route_status

_BROKER_TIMEOUT_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """A process that an installation like this one runs, and whether it said that it is ready."""

    name: str
    ready: bool
    pid: int | None
    port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """The state of the node at one moment."""

    version: str
    ae_title: str
    every_ae_may_send: bool
    routes: RouteStatus
    processes: tuple[ProcessStatus, ...]
    checks: Mapping[str, bool]
    """``database``: it answers; ``schema``: it is the one of this version; ``broker``: it answers."""
    studies: Mapping[StudyState, int]
    jobs: Mapping[tuple[Queue, JobState], int]
    delivery_counts: DeliveryCounts
    troubled: tuple[DestinationHealth, ...]
    """Destinations that could not be reached when they were last tried."""
    unserved: tuple[str, ...] = ()
    """Models that routes or stages name and no worker has, and where."""

    @property
    def ready(self) -> bool:
        """Whether everything that should run does, on a database and a broker that answer."""
        return all(self.checks.values()) and all(process.ready for process in self.processes)

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "version": self.version,
            "ready": self.ready,
            "ae_title": self.ae_title,
            "every_ae_may_send": self.every_ae_may_send,
            "destinations": list(self.routes.destinations),
            "route_problems": list(self.routes.problems),
            "held_studies": self.routes.held_studies,
            "unserved_models": list(self.unserved),
            "checks": dict(self.checks),
            "processes": [
                {"name": one.name, "ready": one.ready, "pid": one.pid, "port": one.port}
                for one in self.processes
            ],
            "studies": {state.value: self.studies.get(state, 0) for state in StudyState},
            "jobs": {
                queue.value: {state.value: self.jobs.get((queue, state), 0) for state in JobState}
                for queue in Queue
            },
            "deliveries": {
                "awaiting_proof": self.delivery_counts.awaiting_proof,
                "dead_letters": self.delivery_counts.dead_letters,
                "suspended": [
                    {
                        "destination": one.destination,
                        "failures": one.failures,
                        "open_until": one.open_until.isoformat() if one.open_until else None,
                        "answer": one.last_answer,
                    }
                    for one in self.troubled
                ],
            },
        }

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        return [
            f"dicom-node {self.version}, {self.ae_title}: {'ready' if self.ready else 'NOT READY'}",
            *(f"  {name:<12} {'answers' if good else 'FAILS'}" for name, good in self.checks.items()),
            *(
                f"  {one.name:<12} {'ready' if one.ready else 'NOT READY'}"
                f"{f' on port {one.port}' if one.port else ''}"
                for one in self.processes
            ),
            "  studies      " + _counted({state.value: self.studies.get(state, 0) for state in StudyState}),
            *(
                f"  {f'{queue.value} jobs':<12} "
                + _counted({state.value: self.jobs.get((queue, state), 0) for state in JobState})
                for queue in Queue
            ),
            f"  deliveries   {self.delivery_counts.awaiting_proof} await proof,"
            f" {self.delivery_counts.dead_letters} dead letters",
            *(f"  warning: {warning}" for warning in self.warnings()),
        ]

    def warnings(self) -> list[str]:
        """Return what an administrator should know about this configuration."""
        said = []
        if self.every_ae_may_send:
            said.append("every AE may send: DICOM_NODE_CALLING_AE_TITLES is empty")
        said += self.routes.warnings()
        said += [
            f"{one.destination} cannot be reached ({one.failures} in a row): {one.last_answer}"
            for one in self.troubled
        ]
        said += self.unserved
        return said


def node_status(resources: Resources) -> NodeStatus:
    """Look at processes, database, broker and queue, now; nothing that fails raises."""
    settings = resources.settings
    checks = dependency_checks(resources)
    counted_studies: Mapping[StudyState, int] = {}
    counted_jobs: Mapping[tuple[Queue, JobState], int] = {}
    delivery_counts, troubled = DeliveryCounts(awaiting_proof=0, dead_letters=0), []
    unserved_models: tuple[str, ...] = ()
    routes = RouteStatus()
    if checks["schema"]:
        try:
            with resources.database.read() as session:
                counted_studies, counted_jobs = study_counts(session), jobs.counts(session)
                delivery_counts = dead_letters.delivery_counts(session)
                troubled = destination_health.troubled(session)
                unserved_models = _unserved(session)
                routes = route_status(session, settings)
        except OutOfResources:
            checks["database"] = False
    return NodeStatus(
        version=version("dicom-node"),
        ae_title=settings.ae_title,
        every_ae_may_send=not settings.calling_ae_titles,
        routes=routes,
        processes=tuple(_process_status(settings, name) for name in expected_processes(settings)),
        checks=checks,
        studies=counted_studies,
        jobs=counted_jobs,
        delivery_counts=delivery_counts,
        troubled=tuple(troubled),
        unserved=unserved_models,
    )


def _unserved(session: Session) -> tuple[str, ...]:
    try:
        routes = active_routes(session)[1]
    except RoutesRefused as error:
        return (str(error),)
    installed = model_register.installed_models(session)
    return unserved(routes, installed, deployments.stages_in_force(session)) if installed else ()


def dependency_checks(resources: Resources) -> dict[str, bool]:
    """Ask the database, its schema and the broker whether a process of the node can work with them."""
    settings = resources.settings
    try:
        revision = migrate.current_revision(settings.effective_database_url)
    except OutOfResources:
        revision = None
        database = False
    else:
        database = True
    return {
        "database": database,
        "schema": database and revision == migrate.newest_revision(),
        "broker": _broker_answers(effective_broker_url(settings)),
    }


def expected_processes(settings: Settings) -> list[str]:
    """Return the names of the processes that `dicom-node up` runs with these settings."""
    workers = [f"analysis-{number}" for number in range(settings.analysis_workers)]
    return ["scp", "dispatcher", *workers, "delivery-0", "web"]


def _process_status(settings: Settings, name: str) -> ProcessStatus:
    said = readiness.read(settings.run_home, name)
    return ProcessStatus(
        name=name,
        ready=said is not None,
        pid=said.pid if said else None,
        port=said.port if said else None,
    )


def _broker_answers(url: str) -> bool:
    options = {"socket_connect_timeout": _BROKER_TIMEOUT_S, "socket_timeout": _BROKER_TIMEOUT_S}
    connection = kombu.Connection(url, connect_timeout=_BROKER_TIMEOUT_S, transport_options=options)
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=_BROKER_TIMEOUT_S)
    except (OperationalError, OSError):
        return False
    finally:
        connection.release()
    return True


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items())

"""The routes as the status page tells of them: where results go, what is held, why a file is not in force."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from dicom_node.database.routing_decisions import held_studies
from dicom_node.errors import RoutesRefused
from dicom_node.routes_in_force import active_routes, configured_routes
from dicom_node.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStatus:
    """The routes at one moment."""

    destinations: tuple[str, ...] = ()
    """Names in the routes in force."""
    problems: tuple[str, ...] = ()
    """Why the configured routes are not the ones in force; each with its file and line."""
    held_studies: int = 0

    def warnings(self) -> list[str]:
        """Return what an administrator should know."""
        said = []
        if not self.destinations:
            said.append("results stay in the node: the routes in force name no destination")
        if self.held_studies:
            said.append(f"{self.held_studies} studies are held by a rule: dicom-node routes release STUDY")
        return [*said, *self.problems]


def route_status(session: Session, settings: Settings) -> RouteStatus:
    """Look at the routes in force, and whether those that are configured are."""
    held = held_studies(session)
    try:
        sha256, routes = active_routes(session)
    except RoutesRefused as error:
        return RouteStatus(problems=error.problems, held_studies=held)
    problems = _configured_problems(settings, sha256) if settings.routes is not None else ()
    return RouteStatus(destinations=tuple(routes.destinations), problems=problems, held_studies=held)


def _configured_problems(settings: Settings, sha256: str) -> tuple[str, ...]:
    try:
        configured = configured_routes(settings)
    except RoutesRefused as error:
        return tuple(f"not in force: {problem}" for problem in error.problems)
    if configured.sha256 == sha256:
        return ()
    return (f"{settings.routes}:1: not what is in force: dicom-node routes activate {settings.routes}",)

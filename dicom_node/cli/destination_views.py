"""What `destinations` shows."""

import json
from collections.abc import Mapping
from contextlib import closing

import typer

from dicom_node.database.destination_health import troubled
from dicom_node.delivery.destinations import profile_of
from dicom_node.delivery.probing import Probe, probe
from dicom_node.domain.delivery import DestinationHealth
from dicom_node.domain.text import printable
from dicom_node.resources import open_resources
from dicom_node.routes_in_force import active_routes
from dicom_node.routing.document import DestinationProfile, DicomDestination, FolderDestination
from dicom_node.settings import Settings


def show_destinations(settings: Settings, *, as_json: bool) -> None:
    """Show the destinations of the routes in force, by name."""
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        found = active_routes(session)[1].destinations
        health = {one.destination: one for one in troubled(session)}
    rows = [_row(name, profile, health.get(name)) for name, profile in sorted(found.items())]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        held = f"  held back until {row['open_until']}: {row['last_answer']}" if row["open_until"] else ""
        typer.echo(printable(f"{row['name']}  {row['kind']}  {row['address']}  proof {row['proof']}{held}"))
    typer.echo(f"{len(rows)} destination{'' if len(rows) == 1 else 's'}")


def show_probe(settings: Settings, name: str, *, as_json: bool) -> int:
    """Probe a destination and show what it says; the exit code is 1 when deliveries would fail."""
    with closing(open_resources(settings)) as resources, resources.database.read() as session:
        profile = profile_of(session, name)
    if profile is None:
        found = Probe(problems=(f"the routes in force have no destination {name!r}",))
    else:
        found = probe(name, profile, settings)
    if as_json:
        told = {"destination": name, "problems": list(found.problems), **found.facts}
        typer.echo(json.dumps(told, indent=2))
    else:
        _tell(name, found)
    return 1 if found.problems else 0


def _row(name: str, profile: DestinationProfile, health: DestinationHealth | None) -> dict[str, object]:
    until = None if health is None else health.open_until
    return {
        "name": name,
        "kind": profile.kind,
        "address": _address(profile),
        "proof": profile.proof.value,
        "concurrency": profile.concurrency,
        "open_until": None if until is None else until.isoformat(),
        "last_answer": "" if health is None else health.last_answer,
    }


def _address(profile: DestinationProfile) -> str:
    if isinstance(profile, DicomDestination):
        return f"{profile.address}{'' if profile.tls is None else ' (TLS)'}"
    return profile.path if isinstance(profile, FolderDestination) else profile.url


def _tell(name: str, found: Probe) -> None:
    typer.echo(printable(f"{name}: {'would fail' if found.problems else 'deliveries should get through'}"))
    for problem in found.problems:
        typer.echo(printable(f"  problem: {problem}"))
    for fact, value in found.facts.items():
        title = fact.replace("_", " ")
        if isinstance(value, Mapping):
            typer.echo(f"  {title}:")
            for key, told in value.items():
                words = ", ".join(told) if isinstance(told, list) else told or "nothing"
                typer.echo(printable(f"    {key}: {words}"))
        else:
            typer.echo(printable(f"  {title}: {_words(value)}"))


def _words(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

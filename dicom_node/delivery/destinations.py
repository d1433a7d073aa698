"""Destinations by name: their profile, how patient the node is with them, how many deliveries at once."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.orm import Session

from dicom_node.domain.delivery import Patience
from dicom_node.routes_in_force import active_routes
from dicom_node.routing.document import DestinationProfile, DicomDestination
from dicom_node.settings import Settings, parse_destination


def profile_of(session: Session, name: str) -> DestinationProfile | None:
    """Return the profile of the Destination: by its name in the active routes, or from ``AE@host:port``.

    None when there is no Destination of that name any more.
    """
    named = active_routes(session)[1].destinations.get(name)
    if named is not None:
        return named
    try:
        return DicomDestination(address=parse_destination(name))
    except ValueError:
        return None


def concurrency_of(session: Session) -> Mapping[str, int]:
    """Return how many deliveries each Destination of the active routes takes at once."""
    routes = active_routes(session)[1]
    return {name: profile.concurrency for name, profile in routes.destinations.items()}


def patience_of(profile: DestinationProfile, settings: Settings) -> Patience:
    """Return how long to wait between attempts: the profile's word, or the setting's."""
    return Patience(
        first=_said(profile.first_backoff, settings.delivery_first_backoff),
        longest=_said(profile.longest_backoff, settings.delivery_longest_backoff),
        give_up_after=_said(profile.give_up_after, settings.delivery_give_up_after),
    )


def _said(by_profile: timedelta | None, by_setting: timedelta) -> timedelta:
    return by_setting if by_profile is None else by_profile

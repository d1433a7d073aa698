"""The frontal chest film of a study, by headers alone."""

from collections.abc import Sequence

from pydicom import Dataset

from worker.body_region import Region, body_region, series_words, text_of
from worker.choice import Choice
from worker.film_view import View, film_view

_MODALITIES = ("CR", "DX")
_ANIMALS = frozenset(("CANINE", "FELINE", "EQUINE", "BOVINE", "AVIAN", "VETERINARY"))
_HUMAN = ("", "HUMAN", "HOMO SAPIENS")
_VIEW_ORDER = (View.PA, View.AP, View.FRONTAL, View.UNKNOWN)


def choose_film(headers: Sequence[Dataset]) -> Choice:
    """Return the best frontal chest film.

    A film whose view is not given is taken only if its header says chest, and the choice is then flagged; a
    film whose body part is not given is left to the chest gate, flagged too. Of several: PA before AP before
    unknown, one that says chest, ORIGINAL before DERIVED, the larger, the later, the lower SOP Instance UID.
    """
    films = [header for header in headers if text_of(header, "Modality") in _MODALITIES]
    refusals = [_refusal(film) for film in films]
    readable = [film for film, refusal in zip(films, refusals, strict=True) if not refusal]
    if not readable:
        return Choice(refusals=tuple(filter(None, refusals)))
    latest_first = sorted(readable, key=lambda film: str(film.get("SOPInstanceUID", "")))
    latest_first.sort(key=_taken_at, reverse=True)
    best = min(latest_first, key=_preference)
    return Choice(headers=(best,), notes=tuple(_notes(best, len(readable))))


def _refusal(film: Dataset) -> str:
    """Return why a film cannot be read, empty when it can."""
    if _is_of_an_animal(film):
        return "the patient is not human"
    return _refusal_by_region_and_view(film) or _refusal_by_kind(film)


def _refusal_by_region_and_view(film: Dataset) -> str:
    region, view = body_region(film), film_view(film)
    if region.region is Region.OTHER:
        return f"body part is {region.name}"
    if view is View.UNKNOWN and region.region is Region.SILENT:
        return "neither body part nor view is given"
    if not (view.is_frontal or view is View.UNKNOWN):
        return f"{view.value} view"
    return ""


def _refusal_by_kind(film: Dataset) -> str:
    if text_of(film, "PresentationIntentType") == "FOR PROCESSING":
        return "the film is raw (FOR PROCESSING)"
    if text_of(film, "NumberOfFrames") not in ("", "1"):
        return "the film has several frames"
    return ""


def _is_of_an_animal(film: Dataset) -> bool:
    return text_of(film, "PatientSpeciesDescription") not in _HUMAN or bool(
        _ANIMALS & set(series_words(film))
    )


def _preference(film: Dataset) -> tuple[int, int, int, int]:
    return (
        _VIEW_ORDER.index(film_view(film)),
        0 if body_region(film).region is Region.CHEST else 1,
        1 if text_of(film, "ImageType").startswith("DERIVED") else 0,
        -int(film.get("Rows") or 0) * int(film.get("Columns") or 0),
    )


def _taken_at(film: Dataset) -> str:
    """Return date and time as they sort, the acquisition's before the content's."""
    date = text_of(film, "AcquisitionDate") or text_of(film, "ContentDate")
    return date + (text_of(film, "AcquisitionTime") or text_of(film, "ContentTime"))


def _notes(film: Dataset, readable: int) -> list[str]:
    notes = []
    if film_view(film) is View.UNKNOWN:
        notes.append("the view is not given; taken for frontal because the header says chest")
    if body_region(film).region is Region.SILENT:
        notes.append("the body part is not given")
    if readable > 1:
        notes.append(f"the best of {readable} frontal films")
    return notes

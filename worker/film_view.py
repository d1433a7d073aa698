"""From which side a film was taken, as its header says."""

import re
from enum import Enum

from pydicom import Dataset

from worker.body_region import series_words, text_of


class View(Enum):
    """Direction of a film; the value completes "... view"."""

    PA = "PA"
    AP = "AP"
    FRONTAL = "frontal"
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    DECUBITUS = "decubitus"
    SPECIAL = "special"
    UNKNOWN = "unknown"

    @property
    def is_frontal(self) -> bool:
        """Whether the film is seen from the front or the back."""
        return self in (View.PA, View.AP, View.FRONTAL)


_POSITIONS = {
    View.PA: "PA POSTEROANTERIOR",
    View.AP: "AP ANTEROPOSTERIOR",
    View.FRONTAL: "FRONTAL",
    View.LATERAL: "LL RL LAT LATERAL LLAT RLAT LEFTLATERAL RIGHTLATERAL ML LM",
    View.DECUBITUS: "LLD RLD DECUB DECUBITUS",
    View.OBLIQUE: "LPO RPO LAO RAO LLO RLO OBL OBLIQUE",
}
"""View Position (0018,5101), defined terms of PS3.3 C.8.1.2 and C.8.11.7 and what devices write."""
_VIEW_OF_POSITION = {term: view for view, terms in _POSITIONS.items() for term in terms.split()}
_CODES = {
    "272479007": View.PA,
    "R-10214": View.PA,
    "399348003": View.AP,
    "R-10206": View.AP,
    "399033003": View.FRONTAL,
    "399067008": View.LATERAL,
    "399173006": View.LATERAL,
    "R-10236": View.LATERAL,
    "399198007": View.LATERAL,
    "R-10232": View.LATERAL,
}
"""View Code Sequence, CID 4010; the others are told by their meaning."""
_MEANINGS = (
    ("OBLIQUE", View.OBLIQUE),
    ("DECUBITUS", View.DECUBITUS),
    ("LATERAL", View.LATERAL),
    ("POSTEROANTERIOR", View.PA),
    ("ANTEROPOSTERIOR", View.AP),
    ("FRONTAL", View.FRONTAL),
)
_WORDS = {
    **dict.fromkeys(("PA", "AP", "FRONTAL", "正面"), View.FRONTAL),
    **dict.fromkeys(("LATERAL", "LAT", "LL", "PROFIL", "PROFILE", "SEITLICH", "側面"), View.LATERAL),
    **dict.fromkeys(("OBLIQUE", "OBL"), View.OBLIQUE),
    **dict.fromkeys(("DECUBITUS", "DECUB"), View.DECUBITUS),
}


def film_view(header: Dataset) -> View:
    """Return the view: by View Position, View Code, the series' texts, Patient Orientation, in this order.

    Texts count only when they name one view (a study of two is "PA AND LATERAL"); a row that runs from front
    to back (Patient Orientation A or P first) is a lateral film, one from side to side proves nothing.
    """
    for view in (_from_position(header), _from_code(header), _from_texts(header), _from_orientation(header)):
        if view is not View.UNKNOWN:
            return view
    return View.UNKNOWN


def _from_position(header: Dataset) -> View:
    text = re.sub(r"[^A-Z]", "", text_of(header, "ViewPosition"))
    return _VIEW_OF_POSITION.get(text, View.SPECIAL) if text else View.UNKNOWN


def _from_code(header: Dataset) -> View:
    items = header.get("ViewCodeSequence") or []
    if not items:
        return View.UNKNOWN
    code, meaning = str(items[0].get("CodeValue", "")), str(items[0].get("CodeMeaning", ""))
    squeezed = re.sub(r"[^A-Z]", "", meaning.upper())
    told = next((view for word, view in _MEANINGS if word in squeezed), View.SPECIAL)
    return _CODES.get(code, told)


def _from_texts(header: Dataset) -> View:
    views = {_WORDS[word] for word in series_words(header) if word in _WORDS}
    return views.pop() if len(views) == 1 else View.UNKNOWN


def _from_orientation(header: Dataset) -> View:
    row = text_of(header, "PatientOrientation").partition("\\")[0]
    return View.LATERAL if row[:1] in ("A", "P") and row else View.UNKNOWN

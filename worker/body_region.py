"""Which part of the body a header says an image shows: chest, another part by name, or nothing."""

import re
from dataclasses import dataclass
from enum import Enum

from pydicom import Dataset

from dicom_node.imaging.planes import group_value


class Region(Enum):
    """What the header says."""

    CHEST = "chest"
    OTHER = "another part"
    SILENT = "nothing"


@dataclass(frozen=True, slots=True)
class BodyRegion:
    """What the header says of the body part, and for another part its name, fit to be shown."""

    region: Region
    name: str = ""


_SILENT = BodyRegion(Region.SILENT)
_CHEST = BodyRegion(Region.CHEST, "CHEST")

_CHEST_IN_BODY_PART = ("CHEST", "THORAX", "LUNG", "TORAX", "TÓRAX", "胸部", "肺")
"""Body Part Examined runs words together (CHESTABDOMEN), so a part of it is enough."""
_NO_BODY_PART = (
    "",
    "UNKNOWN",
    "OTHER",
    "NONE",
    "DEFAULT",
    "NOT SPECIFIED",
    "TRUNK",
    "WHOLEBODY",
    "WHOLE BODY",
)

_CHEST_TEXT = (
    "CHEST THORAX TORAX TÓRAX TORACE TORÁCICO LUNG LUNGS LUNGE LUNGEN PULMO PULMONARY POUMON POUMONS POLMONE "
    "PULMÓN CXR HRCT CTPA ГРУДНАЯ ГРУДНОЙ ГРУДИ ЛЕГКИЕ ЛЁГКИЕ ЛЕГКИХ ЛЁГКИХ ОГК"
)
_CHEST_WORDS = frozenset(_CHEST_TEXT.split())
_OTHER_WORDS = {
    word: name
    for name, words in {
        "HEAD": "HEAD BRAIN SKULL CRANIUM CRANIAL CEREBRAL SINUS SINUSES ORBIT ORBITS FACE FACIAL MANDIBLE "
        "KOPF SCHÄDEL SCHAEDEL TETE TÊTE CRANE CRÂNE CABEZA CRÁNEO ГОЛОВА ГОЛОВЫ",
        "NECK": "NECK CERVICAL CAROTID CAROTIDS HALS",
        "ABDOMEN": "ABDOMEN ABD ABDOMINAL LIVER KIDNEY KIDNEYS KUB COLON BOWEL PANCREAS",
        "PELVIS": "PELVIS PELVIC HIP HIPS BECKEN BLADDER PROSTATE",
        "SPINE": "SPINE CSPINE TSPINE LSPINE LUMBAR SACRUM WIRBELSÄULE WIRBELSAEULE BWS LWS HWS",
        "RIBS": "RIB RIBS STERNUM",
        "SHOULDER": "SHOULDER CLAVICLE SCAPULA SCHULTER",
        "ARM": "FOREARM ELBOW HUMERUS WRIST RADIUS ULNA",
        "HAND": "HAND HANDS FINGER THUMB",
        "LEG": "LEG KNEE TIBIA FIBULA FEMUR THIGH KNIE EXTREMITY",
        "ANKLE": "ANKLE",
        "FOOT": "FOOT TOE TOES CALCANEUS HEEL",
        "BREAST": "BREAST MAMMA MAMMO MAMMOGRAPHY",
    }.items()
    for word in words.split()
}
_OTHER_SIGNS = {
    "胸椎": "SPINE",
    "腰椎": "SPINE",
    "頸椎": "SPINE",
    "頭": "HEAD",
    "腹": "ABDOMEN",
    "足": "FOOT",
}
_CHEST_SIGNS = ("胸部", "胸", "肺", "흉부")

_CHEST_CODES = frozenset(
    (
        *("51185008", "816094009", "T-D3000"),  # chest
        *("43799004", "T-D3200"),  # thoracic cavity
        *("39607008", "T-28000"),  # lung
        *("416550000", "R-FAB55"),  # chest and abdomen
        *("416775004", "R-FAB56"),  # chest, abdomen and pelvis
        *("417437006", "416152001", "416319003"),  # these with the neck
    )
)
"""CID 4031 in SNOMED CT, and the codes of before."""

_SERIES_TEXTS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")
_STUDY_TEXTS = (
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
    "StudyDescription",
)


def body_region(header: Dataset) -> BodyRegion:
    """Return what a header says of the body part, the most specific statement first.

    Body Part Examined and Anatomic Region, then texts about the series, then the scanner's reference point,
    then texts about the study, then the X-ray filter. Texts are searched for known words, and never shown.
    """
    for said in (
        _from_body_part(header),
        _from_words(header, _SERIES_TEXTS),
        _from_reference_point(header),
        _from_words(header, _STUDY_TEXTS),
        _from_filter(header),
    ):
        if said.region is not Region.SILENT:
            return said
    return _SILENT


def words_of(header: Dataset, *keywords: str) -> list[str]:
    """Return the words of some texts, in capitals."""
    text = " ".join(text_of(header, keyword) for keyword in keywords)
    return re.findall(r"[^\W_]+", text.replace("HEAD FIRST", " "))


def series_words(header: Dataset) -> list[str]:
    """Return the words of the texts about the series, in capitals."""
    return words_of(header, *_SERIES_TEXTS)


def text_of(header: Dataset, keyword: str) -> str:
    """Return an attribute as text in capitals, its values joined by backslashes; empty when absent."""
    value = header.get(keyword)
    if value is None:
        return ""
    values = [value] if isinstance(value, str | bytes) or not hasattr(value, "__iter__") else list(value)
    return "\\".join(str(one).strip() for one in values).upper()


def _from_body_part(header: Dataset) -> BodyRegion:
    regions = header.get("AnatomicRegionSequence") or _frame_anatomy(header)
    codes = {str(item.get("CodeValue", "")) for item in regions}
    meanings = " ".join(str(item.get("CodeMeaning", "")).upper() for item in regions)
    part = text_of(header, "BodyPartExamined")
    squeezed = part.replace(" ", "").replace("_", "").replace("-", "")
    says_spine = "SPINE" in squeezed
    if codes & _CHEST_CODES or (any(word in squeezed for word in _CHEST_IN_BODY_PART) and not says_spine):
        return _CHEST
    if part not in _NO_BODY_PART:
        return BodyRegion(Region.OTHER, re.sub(r"[^\w /-]", "", part)[:32])
    return _judged(re.findall(r"[^\W_]+", meanings))


def _frame_anatomy(header: Dataset) -> list[Dataset]:
    found = group_value(header, 0, "FrameAnatomySequence", "AnatomicRegionSequence")
    return list(found) if hasattr(found, "__iter__") else []


def _from_words(header: Dataset, keywords: tuple[str, ...]) -> BodyRegion:
    return _judged(words_of(header, *keywords))


def _judged(words: list[str]) -> BodyRegion:
    """Chest when a chest word is among them, whatever else (CHEST ABDOMEN); spine words go before signs."""
    joined = " ".join(words)
    spine = next((name for sign, name in _OTHER_SIGNS.items() if sign in joined and name == "SPINE"), "")
    if _CHEST_WORDS & set(words) or (not spine and any(sign in joined for sign in _CHEST_SIGNS)):
        return _CHEST
    other = next((_OTHER_WORDS[word] for word in words if word in _OTHER_WORDS), "")
    other = other or spine or next((name for sign, name in _OTHER_SIGNS.items() if sign in joined), "")
    return BodyRegion(Region.OTHER, other) if other else _SILENT


def _from_reference_point(header: Dataset) -> BodyRegion:
    """OM is the orbitomeatal line; the words are the maker's (PS3.3 C.7.4.1.1.2): SN, IC, OM, XY of GE."""
    is_head = text_of(header, "PositionReferenceIndicator") == "OM"
    return BodyRegion(Region.OTHER, "HEAD") if is_head else _SILENT


def _from_filter(header: Dataset) -> BodyRegion:
    is_head = "HEAD" in words_of(header, "FilterType")
    return BodyRegion(Region.OTHER, "HEAD") if is_head else _SILENT

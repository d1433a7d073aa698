"""The Basic Application Level Confidentiality Profile, applied to one data set (PS3.15 E.2)."""

from enum import Enum
from functools import cache
from importlib.resources import files

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, repeater_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.codedict import codes
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import STANDARD_VR

from dicom_node.confidentiality.identity import Pseudonyms
from dicom_node.errors import DeliveryRefused


class Origin(Enum):
    """Who wrote the data set, and so what of its words may stay."""

    FOREIGN = "foreign"
    OWN = "own"
    """An output of this node: its content tree and descriptions are words and codes of the node, which
    identify nobody, and what it took over from the study is removed like anywhere else."""


_OWN_DESCRIPTORS = ("SeriesDescription", "ImageComments", "DerivationDescription", "ContributionDescription")
_OWN_WORDS = frozenset({"ContentSequence", "TextValue", "ContributingEquipmentSequence", *_OWN_DESCRIPTORS})
_DUMMIES: dict[str, object] = {
    "DA": "19000101",
    "TM": "000000",
    "DT": "19000101000000",
    "AS": "000Y",
    "DS": "0",
    "IS": "0",
    "FD": 0.0,
    "FL": 0.0,
    "SL": 0,
    "SS": 0,
    "UL": 0,
    "US": 0,
    "OB": b"\0\0",
    "OW": b"\0\0",
    "UN": b"\0\0",
    "UI": "2.25.0",
}
_TEXT_DUMMY = "REMOVED"
_METHOD = "PS3.15 Basic Application Level Confidentiality Profile"


def deidentify(dataset: Dataset, pseudonyms: Pseudonyms, origin: Origin) -> None:
    """Replace and remove in place whatever the profile says; the same data set gives the same result.

    File Meta Information is left to whoever writes the file.

    Raises
    ------
    DeliveryRefused
        The pixels are said to show who the patient is (Burned In Annotation YES), or it is a document whose
        content another system wrote: neither can be de-identified without a person.
    """
    if str(dataset.get("BurnedInAnnotation") or "").upper() == "YES":
        raise DeliveryRefused("not de-identified: the pixels carry burned-in annotation (0028,0301)")
    if origin is Origin.FOREIGN and _is_document(dataset):
        raise DeliveryRefused("not de-identified: the content of a document of another system")
    pseudonym = pseudonyms.patient(_patient_of(dataset))
    _apply(dataset, pseudonyms, origin)
    dataset.pop("ReferencedRequestSequence", None)  # Type 1C: a request that is no longer known
    dataset.PatientID = dataset.PatientName = pseudonym
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    dataset.DeidentificationMethod = _METHOD
    methods = [codes.DCM.BasicApplicationConfidentialityProfile]
    if origin is Origin.OWN:
        methods += [codes.DCM.CleanStructuredContentOption, codes.DCM.CleanDescriptorsOption]
    dataset.DeidentificationMethodCodeSequence = [
        _code_item(code.value, code.scheme_designator, code.meaning) for code in methods
    ]


def _is_document(dataset: Dataset) -> bool:
    return dataset.get("Modality") == "SR" or "ValueType" in dataset or "EncapsulatedDocument" in dataset


def _patient_of(dataset: Dataset) -> str:
    """Who the patient is; Patient IDs alone may meet those of another hospital (PS3.3 C.7.1.1)."""
    return f"{dataset.get('IssuerOfPatientID') or ''}:{dataset.get('PatientID') or ''}"


def _apply(dataset: Dataset, pseudonyms: Pseudonyms, origin: Origin) -> None:
    for tag in list(dataset.keys()):
        action = _action(tag)
        if origin is Origin.OWN and keyword_for_tag(tag) in _OWN_WORDS:
            action = ""
        if tag.is_private or action == "X" or not _is_known(tag):
            del dataset[tag]
            continue
        vr = _known_vr(dataset, tag)
        if vr == "SQ" and action in _ITEMS_STAY:
            for item in dataset[tag].value:
                _apply(item, pseudonyms, origin)
        elif action in _UIDS:
            dataset[tag].value = _replaced(dataset[tag], pseudonyms)
        elif action:
            dataset[tag] = DataElement(tag, vr, _empty(vr) if action in _EMPTY else _dummy(vr))


_UIDS = {"U", "X/Z/U*"}
_ITEMS_STAY = {"", *_UIDS}
_EMPTY = {"Z", "X/Z"}
# The rest is D, Z/D, X/D, X/Z/D: a dummy is valid whatever type the attribute has in this SOP Class.


def _replaced(element: DataElement, pseudonyms: Pseudonyms) -> UID | list[UID] | None:
    if element.VM > 1:
        return [UID(pseudonyms.uid(str(one))) for one in element.value]
    return UID(pseudonyms.uid(str(element.value))) if element.value else None


def _empty(vr: str) -> object:
    return DicomSequence() if vr == "SQ" else None


def _dummy(vr: str) -> object:
    return DicomSequence() if vr == "SQ" else _DUMMIES.get(vr, _TEXT_DUMMY)


def _is_known(tag: BaseTag) -> bool:
    """Tell whether the dictionary has the attribute; nobody can say what is in one that it has not."""
    return dictionary_has_tag(tag) or repeater_has_tag(tag) or tag.element == 0


def _known_vr(dataset: Dataset, tag: BaseTag) -> str:
    """The VR of an attribute, looked at without decoding it: pydicom warns of odd values in full.

    In Explicit VR pydicom takes a VR that is none for a longer length, and all that follows for the value.
    """
    encoded = dataset.get_item(tag).VR
    vr = _vr_of(tag, encoded)
    if vr not in STANDARD_VR or (not encoded and dataset.original_encoding[0] is False):
        raise DeliveryRefused(f"not de-identified: an attribute {tag} of no VR that is known")
    return vr


def _vr_of(tag: BaseTag, encoded: str | None) -> str:
    """The VR of an attribute; that of the dictionary where it was encoded without one, or as UN.

    A sequence that somebody encoded as UN is one all the same, and its items are looked into.
    """
    if encoded not in {None, "UN"} or not dictionary_has_tag(tag):
        return encoded or "UN"
    return dictionary_VR(tag).split(" or ")[0]


def _action(tag: BaseTag) -> str:
    name = f"{int(tag):08X}"
    repeating = {"50": "50xxxxxx", "60": f"60xx{name[4:]}"}.get(name[:2], name)  # curves, overlays
    return _actions().get(repeating, "")


@cache
def _actions() -> dict[str, str]:
    """Tag to action, as the table says them."""
    found, action = dict[str, str](), ""
    text = files("dicom_node.confidentiality").joinpath("basic_profile.txt").read_text("ascii")
    for line in text.splitlines():
        if line.startswith("["):
            action = line.strip("[]")
        elif not line.startswith("#"):
            found.update(dict.fromkeys(line.split(), action))
    return found


def _code_item(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item

"""A structured report as text that people can read, from any sender and with pydicom alone."""

from collections.abc import Callable, Sequence

from pydicom.dataset import Dataset
from pydicom.uid import UID


def render_tree(dataset: Dataset) -> list[str]:
    """Return the content tree of an SR document (PS3.3 C.17.3), one content item a line, drawn as a tree.

    Raises
    ------
    ValueError
        The Instance has no content tree.
    """
    if "ValueType" not in dataset or "ContentSequence" not in dataset:
        raise ValueError("not a structured report: it has no content tree")
    return [line_of(dataset), *_branches(dataset, "")]


def _branches(item: Dataset, indent: str) -> list[str]:
    children: Sequence[Dataset] = item.get("ContentSequence") or []
    lines: list[str] = []
    for number, child in enumerate(children, start=1):
        last = number == len(children)
        lines.append(f"{indent}{'└─ ' if last else '├─ '}{line_of(child)}")
        lines.extend(_branches(child, indent + ("   " if last else "│  ")))
    return lines


def line_of(item: Dataset) -> str:
    """Return a content item as ``name: value``, without what is below it."""
    name = _meaning(item.get("ConceptNameCodeSequence"))
    value = _value(item)
    if item.get("RelationshipType") == "INFERRED FROM":
        name = f"inferred from {name}".strip()
    line = f"{name}: {value}" if name and value else name or value or f"({item.get('ValueType', 'item')})"
    return " ".join(line.split())


def _value(item: Dataset) -> str:
    if "ReferencedContentItemIdentifier" in item:  # a by-reference relationship, PS3.3 C.17.3.2.5
        return "item " + ".".join(map(str, _listed(item.ReferencedContentItemIdentifier)))
    reader = _READERS.get(str(item.get("ValueType") or ""))
    return "" if reader is None else reader(item)


def _meaning(sequence: Sequence[Dataset] | None) -> str:
    return str(sequence[0].get("CodeMeaning") or "") if sequence else ""


def _measured(item: Dataset) -> str:
    for measured in item.get("MeasuredValueSequence") or []:
        unit = (measured.get("MeasurementUnitsCodeSequence") or [Dataset()])[0].get("CodeValue") or ""
        number = str(measured.get("NumericValue")).removesuffix(".0")
        return f"{number} {unit}".strip()
    return _meaning(item.get("NumericValueQualifierCodeSequence"))


def _referenced(item: Dataset) -> str:
    for reference in item.get("ReferencedSOPSequence") or []:
        kind = UID(reference.get("ReferencedSOPClassUID") or "").name
        frames = reference.get("ReferencedFrameNumber")
        numbers = "" if frames in (None, "") else " frame " + ", ".join(map(str, _listed(frames)))
        return f"{kind} {reference.get('ReferencedSOPInstanceUID')}{numbers}"
    return ""


def _listed(numbers: object) -> Sequence[object]:
    return numbers if isinstance(numbers, Sequence) else [numbers]


def _text(keyword: str) -> Callable[[Dataset], str]:
    return lambda item: str(item.get(keyword) or "")


_READERS: dict[str, Callable[[Dataset], str]] = {  # PS3.3 C.17.3.2.1; a CONTAINER has no value
    "CODE": lambda item: _meaning(item.get("ConceptCodeSequence")),
    "NUM": _measured,
    "TEXT": _text("TextValue"),
    "UIDREF": _text("UID"),
    "PNAME": _text("PersonName"),
    "DATE": _text("Date"),
    "TIME": _text("Time"),
    "DATETIME": _text("DateTime"),
    "IMAGE": _referenced,
    "COMPOSITE": _referenced,
    "WAVEFORM": _referenced,
    "SCOORD": _text("GraphicType"),
    "SCOORD3D": _text("GraphicType"),
    "TCOORD": _text("TemporalRangeType"),
}

"""A new SOP Instance of the node: what a report and a heat map have in common, and their bytes."""

from io import BytesIO

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.dimse import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.domain.finding import OutputRole
from dicom_node.results.codes import PROCESSING_EQUIPMENT, coding_schemes
from dicom_node.results.provenance import MANUFACTURER, ResultContext

_SERIES_NUMBERS = {OutputRole.REPORT: 9101, OutputRole.HEATMAP: 9102}
_SERIES_SUBJECTS = {OutputRole.REPORT: "report", OutputRole.HEATMAP: "heat map NOT DIAGNOSTIC"}
_DATE, _TIME = "%Y%m%d", "%H%M%S"


def common_arguments(context: ResultContext, role: OutputRole) -> dict[str, object]:
    """Return the arguments that highdicom's SOP classes share: identity, series, equipment, times.

    highdicom's own times are those of the call; here they are the Analysis', so that a rebuild is the same.
    """
    at, model = context.local_created_at, context.model
    description = f"AI {ascii_text(model.name)} {ascii_text(model.version)} {_SERIES_SUBJECTS[role]}"
    return {
        "sop_instance_uid": context.sop_instance_uid(role),
        "instance_number": context.revision,
        "series_instance_uid": context.series_instance_uid(role),
        "series_number": _SERIES_NUMBERS[role],
        "series_description": description[:64],
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": ascii_text(model.name)[:64],
        "software_versions": _software_versions(context),
        "content_date": at.strftime(_DATE),
        "content_time": at.strftime(_TIME),
        "content_qualification": context.content_qualification,
        "coding_schemes": coding_schemes(),
        "transfer_syntax_uid": ExplicitVRLittleEndian,
    }


def finish(dataset: Dataset, context: ResultContext, header: Dataset) -> Dataset:
    """Add patient, study and provenance, and put the Analysis' time where highdicom wrote the clock's.

    Patient and study are copied here and not given to highdicom's constructors: those refuse dates that do
    not parse and warn of odd names in full, which would put a patient's name into a log.
    """
    dataset.copy_patient_and_study_information(header)
    at = context.local_created_at
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = at.strftime(_DATE), at.strftime(_TIME)
    dataset.SeriesDate, dataset.SeriesTime = at.strftime(_DATE), at.strftime(_TIME)
    if header.get("TimezoneOffsetFromUTC"):
        dataset.TimezoneOffsetFromUTC = header.TimezoneOffsetFromUTC
    _keep_character_set(dataset, header)
    dataset.InstanceCreatorUID = context.device_uid
    dataset.ContributingEquipmentSequence = [_contributing_equipment(context)]
    dataset.file_meta = _file_meta(dataset)
    return dataset


def encode(dataset: Dataset) -> bytes:
    """Return the finished Instance as a Part 10 file, Explicit VR Little Endian (PS3.10 7)."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def ascii_text(text: str) -> str:
    """Return the text as every Specific Character Set can write it; our own words are ASCII already."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def _keep_character_set(dataset: Dataset, header: Dataset) -> None:
    """Names are written in the character set that the source used; an absent one means ASCII (PS3.5 6.1)."""
    if header.get("SpecificCharacterSet"):
        dataset.SpecificCharacterSet = header.SpecificCharacterSet
    elif "SpecificCharacterSet" in dataset:
        del dataset.SpecificCharacterSet


def _contributing_equipment(context: ResultContext) -> Dataset:
    """IHE AIR 6.5.3.1: one item an algorithm, with its Device UID."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [PROCESSING_EQUIPMENT]
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = ascii_text(context.model.name)[:64]
    item.SoftwareVersions = [*_software_versions(context), f"sha256:{context.model.weights_sha256[:16]}"]
    item.DeviceUID = context.device_uid
    item.ContributionDateTime = context.local_created_at.strftime("%Y%m%d%H%M%S%z")
    item.ContributionDescription = (
        "AI image classification, computer-generated, unverified; "
        f"analysis {context.analysis_id}, revision {context.revision}"
    )
    return item


def _software_versions(context: ResultContext) -> list[str]:
    return [
        ascii_text(context.model.version)[:64],
        f"{MANUFACTURER} {ascii_text(context.software_version)}"[:64],
    ]


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta

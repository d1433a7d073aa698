"""A generated history: many studies as modalities send them, received and due, without sending them."""

import random
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.archive import Archive
from dicom_node.database.tables import instances, series, studies, study_associations
from tests.synthetic import studies as synthetic
from tests.synthetic.stories import NOON, study_uid

SOP_CLASSES = {
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "SR": "1.2.840.10008.5.1.4.1.1.88.22",
}
_CHOICES = {
    "BodyPartExamined": ["CHEST", "CHEST", "Thorax", "HEAD", ""],
    "ViewPosition": ["PA", "AP", "LL", ""],
    "StudyDescription": ["CT Thorax native", "RESEARCH lung", "Chest PA", "Neuro", ""],
    "SeriesDescription": ["Lung 1.0", "Scout", "axial", ""],
    "InstitutionName": ["University Hospital", "Outpatients", ""],
    "StationName": ["CT01", "CT02", "ER1", ""],
    "RequestedProcedurePriority": ["STAT", "HIGH", "ROUTINE", ""],
    "PatientAge": ["004Y", "017Y", "045Y", "080Y", ""],
    "PatientBirthDate": ["20200101", "19600229", "", "bad"],
    "PatientID": ["P1", "PHANTOM7", "TEST2", "P9"],
    "ImageType": ["ORIGINAL\\PRIMARY", "DERIVED\\SECONDARY", ""],
}
_Rows = dict[sa.Table, list[dict[str, object]]]
CALLERS = ("ER_1", "ICU", "CT_A", "WARD")


def insert_history(session: Session, archive: Archive, number_of_studies: int, *, seed: int) -> None:
    """Enter studies that are due one after another through a day, the same ones for the same seed.

    The headers of most are as kept; every twentieth study has a file whose header is still to be read.
    """
    random_one = random.Random(seed)
    rows: _Rows = {studies: [], series: [], instances: [], study_associations: []}
    for number in range(1, number_of_studies + 1):
        _add_study(rows, number, random_one)
        if number % 20 == 0:
            _with_a_file(rows, archive, number)
    for table, values in rows.items():
        session.execute(sa.insert(table), values)


def _add_study(rows: _Rows, number: int, random_one: random.Random) -> None:
    uid, at = study_uid(number), NOON + timedelta(minutes=1440 * random_one.random())
    modality = random_one.choice(["DX", "DX", "CR", "CT", "CT", "MR"])
    caller = random_one.choice(CALLERS)
    of_study = {name: random_one.choice(_CHOICES[name]) for name in ("PatientID", "StudyDescription")}
    if number % 250 == 0:
        of_study["StudyDescription"] = "a" * 60 + "!"  # what a hostile expression takes for ever with
    rows[studies].append(
        {
            "id": number,
            "study_instance_uid": uid,
            "state": "RECEIVING",
            "modality": modality,
            "patient_id": of_study["PatientID"],
            "instance_count": 1,
            "received_at": at,
            "last_instance_at": at,
            "complete_after": at,
        }
    )
    association = {"association_id": f"a{number}", "calling_ae_title": caller, "last_instance_at": at}
    rows[study_associations].append({"study_id": number, **association, "released_at": at})
    for index in range(random_one.choice([1, 1, 2, 3])):
        of_series = modality if index == 0 else random_one.choice([modality, "SR"])
        key = number * 10 + index
        header = {keyword: random_one.choice(values).split("\\") for keyword, values in _CHOICES.items()}
        header |= {keyword: [value] for keyword, value in of_study.items()} | {"Modality": [of_series]}
        rows[series].append(
            {
                "id": key,
                "study_id": number,
                "series_instance_uid": f"{uid}.{index}",
                "modality": of_series,
                "header": {keyword: values for keyword, values in header.items() if any(values)},
            }
        )
        rows[instances].append(
            {
                "id": key,
                "series_id": key,
                "sop_instance_uid": f"{uid}.{index}.1",
                "sop_class_uid": SOP_CLASSES[of_series],
                "transfer_syntax_uid": "1.2.840.10008.1.2.1",
                "path": "00/none.dcm",
                "sha256": "0" * 64,
                "size": 1,
                "calling_ae_title": caller,
                "received_at": at,
                "late": False,
            }
        )


def _with_a_file(rows: _Rows, archive: Archive, number: int) -> None:
    """Let the last series of the study have a file instead of a kept header."""
    film = synthetic.chest_film()
    film.Modality = str(rows[series][-1]["modality"])
    film.ViewPosition = "PA" if number % 40 else "AP"
    path, sha256 = archive.put(str(rows[instances][-1]["sop_instance_uid"]), synthetic.part10(film))
    assert Path(path).suffix == ".dcm"
    rows[series][-1]["header"] = sa.null()
    rows[instances][-1].update(path=path, sha256=sha256)

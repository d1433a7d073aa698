"""What the demo sends: real images where they are installed or given, else a phantom that says so."""

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydicom import dcmread

from tests.synthetic import studies as synthetic

CHEST_CT = "dicom/OHIF__viewer-testdata-dicomweb/nlst_chest_ct"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStudy:
    """A study to send, and whether the node must have it analysed."""

    title: str
    origin: str
    paths: tuple[Path, ...]
    must_be_analysed: bool

    @property
    def study_instance_uid(self) -> str:
        """The Study Instance UID of the files."""
        return str(dcmread(self.paths[0], stop_before_pixels=True).StudyInstanceUID)


def demo_studies(phantom_folder: Path) -> list[DemoStudy]:
    """Return the studies in the order of sending."""
    samples = Path(str(files("data_store") / "data"))
    return [
        DemoStudy(
            title="chest film RG1",
            origin="CR, real film (PyPI pydicom-data)",
            paths=(samples / "RG1_UNCR.dcm",),
            must_be_analysed=True,
        ),
        DemoStudy(
            title="ankle RG3",
            origin="CR, real film (PyPI pydicom-data)",
            paths=(samples / "RG3_UNCR.dcm",),
            must_be_analysed=False,
        ),
        DemoStudy(
            title="head CT 693",
            origin="CT, real slice (PyPI pydicom-data)",
            paths=(samples / "693_UNCR.dcm",),
            must_be_analysed=False,
        ),
        _chest_ct(phantom_folder),
    ]


def _chest_ct(phantom_folder: Path) -> DemoStudy:
    data = Path(os.environ.get("DICOM_NODE_DATA_DIR", "../shared/data"))
    real = sorted((data / CHEST_CT).glob("*.dcm"))
    if real:
        return DemoStudy(
            title="chest CT",
            origin=f"CT, {len(real)} real slices (NLST, JPEG-LS)",
            paths=tuple(real),
            must_be_analysed=True,
        )
    phantom_folder.mkdir(parents=True, exist_ok=True)
    return DemoStudy(
        title="chest CT PHANTOM",
        origin="CT, a drawn phantom, no patient: the real series is not here",
        paths=tuple(synthetic.write_all(synthetic.ct_series(slices=24, size=256), phantom_folder)),
        must_be_analysed=True,
    )

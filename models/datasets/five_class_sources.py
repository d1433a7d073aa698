"""The collections that Jia et al. combine (their Table 1, DS1 to DS7), each read as its owners released it.

The paper names the collections and counts the films; for COVID it refers to the COVIDx script. The rules of
that script (create_COVIDx.ipynb of lindawangg/COVID-Net) give the paper's 1770 COVID films (its output says
so), hence they are followed here. The paper's eight sources are these seven, DS5 counted as the two it is
(our reading).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.datasets.image_files import find_file, find_folder, need_folder, pictures_below
from models.datasets.labels import BACTERIAL, COVID19, NORMAL, TUBERCULOSIS, VIRAL
from models.datasets.tables import read_table
from models.errors import ManifestInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A film of one collection, before it has a side."""

    path: Path
    label: str
    patient: str


_VIEWS = frozenset({"PA", "AP", "AP Supine", "AP semi erect", "AP erect"})
_COVID = "COVID-19"
# Pictures of the COVID-19 Radiography Database that create_COVIDx.ipynb leaves out.
_DISCARDED = frozenset(map(str, (*range(100, 106), *range(110, 114), *range(122, 127), 217)))
_NUMBER = re.compile(r"(\d+)\)?$")
_KERMANY = re.compile(
    r"(?P<who>person\d+)_(?P<kind>bacteria|virus)|(?P<other>(?P<what>BACTERIA|VIRUS)-\d+)", re.I
)
_KINDS = {"bacteria": BACTERIAL, "virus": VIRAL}


def cohen_films(folder: Path) -> Iterator[Film]:
    """DS1, ieee8023/covid-chestxray-dataset: frontal films whose last finding is COVID-19."""
    for row in _table(folder, "metadata.csv", "patientid", "finding", "view", "filename"):
        if row["view"] in _VIEWS and row["finding"].split("/")[-1] == _COVID:
            path = folder / (row.get("folder") or "images") / row["filename"]
            if path.is_file():
                yield Film(path=path, label=COVID19, patient=row["patientid"])


def actualmed_films(folder: Path) -> Iterator[Film]:
    """DS2, agchung/Actualmed-COVID-chestxray-dataset: films whose first finding is COVID-19."""
    for row in _table(folder, "metadata.csv", "patientid", "finding", "imagename"):
        path = folder / "images" / row["imagename"]
        if row["finding"].split(",")[0] == _COVID and path.is_file():
            yield Film(path=path, label=COVID19, patient=row["patientid"])


def figure1_films(folder: Path) -> Iterator[Film]:
    """DS3, agchung/Figure1-COVID-chestxray-dataset: as DS2; a film bears its patient's name."""
    for row in _table(folder, "metadata.csv", "patientid", "finding"):
        name = row["patientid"]
        path = find_file(folder / "images", f"{name}.jpg", f"{name}.png")
        if row["finding"].split(",")[0] == _COVID and path is not None:
            yield Film(path=path, label=COVID19, patient=name)


def radiography_films(folder: Path) -> Iterator[Film]:
    """DS4, the COVID-19 Radiography Database (Kaggle, version 3): COVID and normal films.

    Where ``COVID.metadata.xlsx`` is there, sixteen pictures and those whose address DS1 has too are left out,
    as the COVIDx script does. Patients are not named. The normal films are those of children (1341 is
    the number of normal training films of Kermany et al., as 1345 of the viral ones).
    """
    excluded = _excluded(folder)
    for path in pictures_below(need_folder(folder, "COVID", "COVID-19")):
        if _number(path.stem) not in excluded:
            yield Film(path=path, label=COVID19, patient=path.stem)
    for path in pictures_below(need_folder(folder, "NORMAL")):
        yield Film(path=path, label=NORMAL, patient=path.stem)


def shenzhen_montgomery_films(folder: Path) -> Iterator[Film]:
    """DS5, the two sets of Jaeger et al.: films named ``..._1.png``, which means tuberculosis (336 + 58)."""
    for path in pictures_below(folder):
        if path.stem.endswith("_1") and path.parent.name == "CXR_png":
            yield Film(path=path, label=TUBERCULOSIS, patient=path.stem)


def tb_portals_films(folder: Path) -> Iterator[Film]:
    """DS6, TB Portals (NIAID): every picture below the folder.

    The collection is given out under an agreement and the paper does not say which films it took or how
    they lie. Our reading: a folder below DS6 is one patient, a picture without one stands alone.
    """
    for path in pictures_below(folder):
        inside = path.relative_to(folder).parts
        yield Film(path=path, label=TUBERCULOSIS, patient=inside[0] if len(inside) > 1 else path.stem)


def kermany_films(folder: Path) -> Iterator[Film]:
    """DS7, Kermany et al.: children's pneumonia, bacterial or viral by the file's name.

    Bacterial and viral films number persons separately; where numbers meet, we take them for one person,
    which can only keep more films together than need be.
    """
    for path in pictures_below(folder):
        told = _KERMANY.match(path.name)
        if told:
            kind = told["kind"] or told["what"]
            yield Film(path=path, label=_KINDS[kind.lower()], patient=(told["who"] or told["other"]).lower())


SOURCES: Mapping[str, Callable[[Path], Iterator[Film]]] = MappingProxyType(
    {
        "DS1": cohen_films,
        "DS2": actualmed_films,
        "DS3": figure1_films,
        "DS4": radiography_films,
        "DS5": shenzhen_montgomery_films,
        "DS6": tb_portals_films,
        "DS7": kermany_films,
    }
)


def _table(folder: Path, name: str, *columns: str) -> tuple[Mapping[str, str], ...]:
    rows = read_table(folder / name)
    missing = set(columns) - set(rows[0] if rows else ())
    if missing:
        raise ManifestInvalid(folder / name, f"columns missing: {', '.join(sorted(missing))}")
    return tuple({"finding": "", **row} for row in rows)


def _excluded(folder: Path) -> frozenset[str]:
    table = find_file(folder, "COVID.metadata.xlsx", "COVID.metadata.csv")
    if table is None:
        return frozenset()
    elsewhere = _addresses(folder.parent)
    doubled = {_number(row.get("file name", "")) for row in read_table(table) if row.get("url") in elsewhere}
    return _DISCARDED | doubled


def _addresses(root: Path) -> frozenset[str]:
    ds1 = find_folder(root, "DS1")
    table = find_file(ds1, "metadata.csv") if ds1 else None
    return frozenset(row["url"] for row in read_table(table) if row.get("url")) if table else frozenset()


def _number(stem: str) -> str:
    """Return the number of ``COVID 119`` and of ``COVID (119)``."""
    number = _NUMBER.search(stem)
    return number.group(1) if number else ""

"""Each collection is read as its owners released it, by the rules of the COVIDx script."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.datasets.five_class_sources import SOURCES, Film
from models.datasets.image_files import FolderNotAsReleased
from models.errors import ManifestInvalid


def _films(root: Path, source: str) -> set[tuple[str, str, str]]:
    def plain(film: Film) -> tuple[str, str, str]:
        return film.path.name, film.label, film.patient

    return {plain(film) for film in SOURCES[source](root / source)}


def test_ds1_gives_frontal_films_of_covid_that_are_there(draw: Callable[..., Path]) -> None:
    root = draw(*(f"DS1/images/{name}.jpg" for name in "abcd"))
    (root / "DS1" / "metadata.csv").write_text(
        "patientid,finding,view,folder,filename,url\n"
        "1,Pneumonia/Viral/COVID-19,PA,images,a.jpg,u1\n"
        "2,Pneumonia/Viral/SARS,PA,images,b.jpg,u2\n"
        "3,Pneumonia/Viral/COVID-19,L,images,c.jpg,u3\n"
        "4,COVID-19,AP Supine,images,d.jpg,u4\n"
        "5,COVID-19,AP,images,lost.jpg,u5\n"
    )
    assert _films(root, "DS1") == {("a.jpg", "covid19", "1"), ("d.jpg", "covid19", "4")}


def test_ds2_and_ds3_give_films_whose_first_finding_is_covid(draw: Callable[..., Path]) -> None:
    root = draw(
        "DS2/images/CR.1.png", "DS2/images/CR.2.png", "DS3/images/COVID-1.jpg", "DS3/images/COVID-2.png"
    )
    (root / "DS2" / "metadata.csv").write_text(
        "patientid,imagename,finding\nANON1,CR.1.png,COVID-19\nANON2,CR.2.png,No finding\n"
    )
    (root / "DS3" / "metadata.csv").write_bytes(
        'patientid,notes,finding\nCOVID-1,fiévre,"COVID-19,ARDS"\nCOVID-2,,COVID-19\n'.encode("latin-1")
    )
    assert _films(root, "DS2") == {("CR.1.png", "covid19", "ANON1")}
    assert _films(root, "DS3") == {
        ("COVID-1.jpg", "covid19", "COVID-1"),
        ("COVID-2.png", "covid19", "COVID-2"),
    }


def test_ds4_leaves_out_what_the_script_discards_and_what_ds1_has(draw: Callable[..., Path]) -> None:
    root = draw(
        *(f"DS4/COVID/COVID ({n}).png" for n in (1, 2, 100)), "DS4/NORMAL/NORMAL (1).png", "DS1/images/a.jpg"
    )
    assert len(_films(root, "DS4")) == 4
    (root / "DS4" / "COVID.metadata.csv").write_text("FILE NAME,FORMAT,URL\nCOVID 1,PNG,u1\nCOVID 2,PNG,u2\n")
    (root / "DS1" / "metadata.csv").write_text("patientid,url\n1,u2\n")
    assert {name for name, _, _ in _films(root, "DS4")} == {"COVID (1).png", "NORMAL (1).png"}


def test_ds5_gives_the_films_whose_name_says_tuberculosis(draw: Callable[..., Path]) -> None:
    root = draw(
        "DS5/ChinaSet_AllFiles/CXR_png/CHNCXR_0327_1.png",
        "DS5/ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png",
        "DS5/MontgomerySet/CXR_png/MCUCXR_0104_1.png",
        "DS5/MontgomerySet/ManualMask/leftMask/MCUCXR_0104_1.png",
    )
    assert len(list(SOURCES["DS5"](root / "DS5"))) == 2


def test_ds6_takes_a_folder_for_a_patient(draw: Callable[..., Path]) -> None:
    root = draw("DS6/p1/a.png", "DS6/p1/later/b.png", "DS6/c.png")
    assert {(name, who) for name, _, who in _films(root, "DS6")} == {
        ("a.png", "p1"),
        ("b.png", "p1"),
        ("c.png", "c"),
    }


def test_ds7_tells_bacterial_from_viral_by_name_and_leaves_normal_films_out(
    draw: Callable[..., Path],
) -> None:
    root = draw(
        "DS7/train/PNEUMONIA/person1_bacteria_1.jpeg",
        "DS7/train/PNEUMONIA/person1_virus_6.jpeg",
        "DS7/test/VIRUS-2040583-0001.jpeg",
        "DS7/train/NORMAL/IM-0115-0001.jpeg",
    )
    assert _films(root, "DS7") == {
        ("person1_bacteria_1.jpeg", "pneumonia_bacterial", "person1"),
        ("person1_virus_6.jpeg", "pneumonia_viral", "person1"),
        ("VIRUS-2040583-0001.jpeg", "pneumonia_viral", "virus-2040583"),
    }


def test_a_collection_without_its_table_or_a_column_is_refused_by_name(draw: Callable[..., Path]) -> None:
    root = draw("DS2/images/CR.1.png")
    with pytest.raises(FolderNotAsReleased, match=r"metadata\.csv"):
        _films(root, "DS2")
    (root / "DS2" / "metadata.csv").write_text("patientid,finding\nANON1,COVID-19\n")
    with pytest.raises(ManifestInvalid, match="columns missing: imagename"):
        _films(root, "DS2")

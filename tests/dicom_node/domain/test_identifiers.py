"""UIDs and AE titles: what is one, and the identifiers that are derived."""

import subprocess
import sys

import pytest

from dicom_node.domain.identifiers import derived_uid, derived_uuid, is_ae_title, is_uid


@pytest.mark.parametrize("text", ["1.2.840.10008.1.1", "2.25.0", "1", "1." * 31 + "12", "1.02.3"])
def test_a_uid_is_digits_and_dots(text: str) -> None:
    assert is_uid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".1",
        "1..2",
        "1.2.a",
        "1.2 ",
        "1.2\n",
        "../../etc/passwd",
        "1.2/3",
        "1.2\\3",
        "1.2\x00",
        "\u0661.\u0662",  # digits, but not of ASCII
        "1" * 65,
    ],
)
def test_what_could_leave_a_folder_or_confuse_is_no_uid(text: str) -> None:
    assert not is_uid(text)


@pytest.mark.parametrize("text", ["A", "DICOM_NODE", "MY AE", "a" * 16, " PACS ", "~!"])
def test_an_ae_title_is_one_to_sixteen_printable_characters(text: str) -> None:
    assert is_ae_title(text)


@pytest.mark.parametrize("text", ["", " ", " " * 16, "a" * 17, "A\\B", "A\nB", "Ä", "A\x7f"])
def test_what_the_standard_forbids_is_no_ae_title(text: str) -> None:
    assert not is_ae_title(text)


def test_the_same_parts_are_the_same_uid_in_every_process() -> None:
    code = "from dicom_node.domain.identifiers import derived_uid; print(derived_uid('a', '1', 'SR'))"
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == derived_uid("a", "1", "SR")


def test_derived_uids_never_change_between_versions() -> None:
    """A result sent again years later must be the same object."""
    assert derived_uid("analysis", "1", "SR") == "2.25.68355751743025287492889821334170199818"


def test_a_derived_uid_is_a_uid_without_leading_zeros() -> None:
    for number in range(500):
        uid = derived_uid("x", str(number))
        assert is_uid(uid)
        assert len(uid) <= 64
        assert not uid.split(".")[2].startswith("0")


@pytest.mark.parametrize(
    ("one", "other"), [(("ab", "c"), ("a", "bc")), (("a",), ("a", "")), (("1:a",), ("a",))]
)
def test_no_two_lists_of_parts_share_an_identifier(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert derived_uuid(*one) != derived_uuid(*other)

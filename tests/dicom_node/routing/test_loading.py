"""Routes from a file: whoever wrote them is told the file and the line of everything that is wrong."""

from pathlib import Path

import pytest

from dicom_node.domain.delivery import Proof
from dicom_node.domain.routing import ModelMode, RuleAction
from dicom_node.errors import RoutesRefused
from dicom_node.routing.document import DicomDestination, Routes, text_of_destinations
from dicom_node.routing.lines import LinesOf
from dicom_node.routing.loading import LARGEST_BYTES, load_routes, read_routes

EXAMPLE = Path(__file__).parents[3] / "examples" / "routes.toml"


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(RoutesRefused) as refused:
        read_routes(text, "routes.toml")
    return refused.value.problems


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("match = [\n", "routes.toml:1: no TOML"),
        ('a = 1\nb = "\n', "routes.toml:2: no TOML"),
        ("[default]\ndestinations = []\ndestinations = []\n", "routes.toml:3: no TOML: Cannot overwrite"),
        ('# rules\nmatch = "some"\n', "routes.toml:2: match: Input should be 'first' or 'all'"),
        ("\n\nmatches = 1\n", "routes.toml:3: matches: Extra inputs"),
        ('timezone = "Mars/Olympus"\n', "routes.toml:1: timezone: 'Mars/Olympus' is no time zone"),
        (
            '[default]\n\ndestinations = ["PACS"]\n',
            "routes.toml:3: default.destinations: default names unknown",
        ),
        ('[default]\nforward = [\n"PACS",\n]\n', "routes.toml:2: default.forward: default names unknown"),
        (
            '[[rules]]\nname = "a"\n[[rules]]\n# again\nname = "a"\n',
            "routes.toml:5: rules.1.name: rule names",
        ),
        ('[[rules]]\nname = "default"\n', "routes.toml:2: rules.0.name: rule names must differ"),
        ("[[rules]]\n[rules.when]\n", "routes.toml:1: rules.0.name: Field required"),
        (
            '[[rules]]\nname = "a"\n[[rules]]\nname = "b"\n[rules.when]\nmodality = "CT"\n',
            "routes.toml:6: rules.1.when.modality: Input should be a valid tuple",
        ),
        (
            '[[rules]]\nname = "a"\nwhen.age.min = "old"\n',
            "routes.toml:3: rules.0.when.age.min: Input should be a valid number",
        ),
        (
            '[[rules]]\nname = "a"\nwhen = { age = {} }\n',
            "routes.toml:3: rules.0.when.age: say min, max or both",
        ),
        (
            '[[rules]]\nname = "a"\n[rules.when]\nage = { min = 9, max = 8 }\n',
            "routes.toml:4: rules.0.when.age: max is less than min",
        ),
        ('[[rules]]\nname = "a"\n[rules.when]\n\ntime = "24:00-25:00"\n', "routes.toml:5: rules.0.when.time"),
        ('[[rules]]\nname = "a"\nwhen.series_description = "("\n', "no regular expression: missing )"),
        ('[[rules]]\nname = "a"\n[rules.when.keywords]\nBodyPart = ["X"]\n', "routes.toml:4: rules.0.when"),
        (
            '[[rules]]\nname = "a"\n[rules.when.keywords]\nPixelData = ["X"]\n',
            "headers are kept without those",
        ),
        ('[[rules]]\nname = "a"\n[rules.then]\npriority = 10\n', "routes.toml:4: rules.0.then.priority"),
        ('[[rules]]\nname = "a"\n[rules.then]\naction = "eat"\n', "routes.toml:4: rules.0.then.action"),
        (
            '[[rules]]\nname = "a"\n[[rules.then.models]]\nname = "x"\n[[rules.then.models]]\nname = "y"\n'
            'weights_sha256 = "12"\n',
            "routes.toml:7: rules.0.then.models.1.weights_sha256",
        ),
        (
            '[destinations.PACS]\nproof = "find"\naddress = "PACS:104"\n',
            "routes.toml:3: destinations.PACS.address: 'PACS:104' is not a destination",
        ),
        ('[destinations.X]\nkind = "ftp"\n', "routes.toml:1: destinations.X: Input tag 'ftp'"),
        (
            '[destinations."A.B"]\nkind = "stow"\nurl = "ftp://x"\n',
            "routes.toml:3: destinations.A.B.url: String should match",
        ),
        (
            '[destinations.X]\naddress = "A@b:1"\n[destinations.X.tls]\nkey_file = "k"\n',
            "routes.toml:3: destinations.X.tls.ca_file: Field required",
        ),
        (
            '[destinations.X]\naddress = "A@b:1"\npassword = "secret"\n',
            "destinations.X.password: Extra inputs",
        ),
    ],
)
def test_a_problem_is_told_with_its_file_and_line(text: str, told: str) -> None:
    assert told in "\n".join(problems(text))


def test_every_problem_is_told_at_once_in_the_order_of_the_lines() -> None:
    text = 'match = "x"\n[[rules]]\nname = "a"\nbogus = 1\n[default]\npriority = 99\n'
    assert [one.split(": ")[0] for one in problems(text)] == [f"routes.toml:{n}" for n in (1, 4, 6)]


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    assert "s3cret" not in "".join(problems('[destinations.X]\naddress = "A@b:1"\npassword = "s3cret"\n'))


def test_a_file_that_is_no_text_or_much_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_bytes(b'match = "first"\n# \xff\n')
    with pytest.raises(RoutesRefused, match=r"routes\.toml:2: no UTF-8"):
        load_routes(file)
    file.write_bytes(b"#" * (LARGEST_BYTES + 1))
    with pytest.raises(RoutesRefused, match="larger than 512 KiB"):
        load_routes(file)


def test_a_line_is_found_inside_arrays_and_texts_of_several_lines() -> None:
    lines = LinesOf(
        "a = [\n 1,\n 2]\nb = '''\nx = [\n'''\n[c.d]\ne = 1\n[[f]]\n[f.g]\nh = 1\n[[f]]\n[f.g]\nh = 2\n"
    )
    assert [lines.at(("a", 1)), lines.at(("b",)), lines.at(("c", "d", "e"))] == [1, 4, 8]
    assert [lines.at(("f", 0, "g", "h")), lines.at(("f", 1, "g", "h")), lines.at(("f", 1, "k"))] == [
        11,
        14,
        12,
    ]
    assert lines.at(("nowhere", 3)) == 1


def test_the_setting_destinations_is_a_document_too() -> None:
    document = read_routes(text_of_destinations(("PACS@h:104", "B@[::1]:1", "PACS@h:104")), "setting")
    assert document.routes.default.destinations == ("PACS@h:104", "B@[::1]:1")
    profile = document.routes.destinations["B@[::1]:1"]
    assert isinstance(profile, DicomDestination)
    assert (profile.address.host, profile.proof) == ("::1", Proof.NONE)
    assert read_routes(text_of_destinations(()), "setting").routes == Routes()


def test_the_example_file_shows_every_clause_and_every_action() -> None:
    routes = load_routes(EXAMPLE).routes
    shown = {name for rule in routes.rules for name in rule.when.model_fields_set}
    assert shown == set(type(routes.rules[0].when).model_fields)
    acted = {name for rule in routes.rules for name in rule.then.model_fields_set}
    assert acted == set(type(routes.default).model_fields)
    assert {rule.then.action for rule in routes.rules} == set(RuleAction)
    modes = {use.mode for rule in routes.rules for use in rule.then.models or ()}
    assert modes == {ModelMode.ACTIVE, ModelMode.SHADOW, ModelMode.CANARY}
    assert {profile.kind for profile in routes.destinations.values()} == {"dicom", "stow", "folder", "bucket"}
    assert {profile.proof for profile in routes.destinations.values()} == set(Proof)

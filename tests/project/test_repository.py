"""What must never come into the repository: registry hosts, heavy files, patients' images."""

import hashlib
import os
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("DICOM_NODE_DATA_DIR", ROOT.parent / "shared" / "data"))
MEGABYTE = 1_000_000
LARGEST_FILE = 60 * MEGABYTE
LARGEST_TREE = 150 * MEGABYTE
# Written in pieces, so that this file does not name what it forbids.
REGISTRY_HOSTS = re.compile(
    "|".join(["py" + r"pi\.", "python" + "hosted", "npm" + r"js\.", r"deb\.deb" + "ian"])
)


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


TRACKED = tracked_files()


def test_no_file_names_the_host_of_a_registry() -> None:
    naming = [path for path in TRACKED if REGISTRY_HOSTS.search(path.read_bytes().decode("latin-1"))]
    assert naming == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    machine = re.compile(rb"(?<![\w.])/" + rb"(work|home|Users)/\w")
    naming = [path for path in TRACKED if path.suffix != ".safetensors" and machine.search(path.read_bytes())]
    assert naming == []


def test_no_file_and_no_checkout_is_heavy() -> None:
    sizes = {path: path.stat().st_size for path in TRACKED}
    assert [path for path, size in sizes.items() if size > LARGEST_FILE] == []
    assert sum(sizes.values()) < LARGEST_TREE


def test_the_lock_names_exact_versions_and_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(lines) > 50
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+", line)] == []


def test_no_image_of_the_shared_data_was_committed() -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is absent; DICOM_NODE_DATA_DIR says where the images are")
    forbidden = {
        sha256(path) for path in DATA.rglob("*") if path.is_file() and path.suffix not in {".md", ".csv"}
    }
    assert forbidden
    assert [path for path in TRACKED if sha256(path) in forbidden] == []


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_lock_has_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {canonicalize_name(Requirement(text).name) for text in wanted}
    locked = {
        canonicalize_name(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().split()
    }
    assert names - locked == set(), "run ./scripts/lock"

"""What conventions.md promises about files, names and imports, checked on every tracked file."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("dicom_node", "worker", "models", "migrations")
LONGEST_FILE = 400
MEANINGLESS_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
MOCKS = {"unittest.mock", "mock", "pytest_mock"}


def tracked(pattern: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", pattern], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


PYTHON_FILES = tracked("*.py")


def test_there_are_files_to_judge() -> None:
    assert len(PYTHON_FILES) > len(PACKAGES)


def test_a_file_has_one_subject_and_400_lines_at_most() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in PYTHON_FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_an_init_file_holds_a_docstring_only() -> None:
    modules = {
        relative(path): ast.parse(path.read_text()) for path in PYTHON_FILES if path.name == "__init__.py"
    }
    assert [
        name for name, module in modules.items() if len(module.body) != 1 or not ast.get_docstring(module)
    ] == []


def test_a_name_says_the_subject() -> None:
    parts = {path: set(path.relative_to(ROOT).with_suffix("").parts) for path in PYTHON_FILES}
    assert [path for path, names in parts.items() if names & MEANINGLESS_NAMES] == []


def test_tests_are_no_package() -> None:
    assert [
        path for path in PYTHON_FILES if path.name == "__init__.py" and relative(path).startswith("tests")
    ] == []


def test_nothing_is_mocked() -> None:
    assert [path for path in PYTHON_FILES if imports_of(path) & MOCKS] == []


def imports_of(path: Path) -> set[str]:
    """Every dotted name that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def test_the_import_contracts_hold() -> None:
    verdict = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert verdict.returncode == 0, verdict.stdout
    assert "6 kept, 0 broken" in verdict.stdout

"""Find the foreign programs that tests talk to; where they must be there, a missing one fails the test."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

# Debian's own come first: pynetdicom installs an echoscu, a storescu and a storescp of its own beside Python.
_DEBIAN_FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
_POSTGRESQL_FOLDERS = Path("/usr/lib/postgresql")  # initdb, postgres, pg_ctl: one folder a major version
_JAVA_FOLDERS = (Path("/usr/share/java"), Path("/usr/local/share/java"))


def require(name: str) -> Path:
    """Return the path of a program such as ``Orthanc``, ``storescu``, ``dciodvfy`` or ``initdb``.

    A missing program skips the test, or fails it where ``DICOM_NODE_REQUIRE_PEERS`` is 1 (see scripts/test).
    """
    folders = [*_DEBIAN_FOLDERS, os.environ.get("PATH", ""), *map(str, _postgresql_folders())]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return Path(found) if found else _missing(f"the program {name}")


def require_jar(name: str) -> Path:
    """Return the path of a Java archive such as ``pixelmed.jar``; missing, as ``require`` does."""
    found = next((folder / name for folder in _JAVA_FOLDERS if (folder / name).is_file()), None)
    return found or _missing(f"the Java archive {name}")


def _postgresql_folders() -> list[Path]:
    """Newest major version first."""
    return sorted(_POSTGRESQL_FOLDERS.glob("*/bin"), key=lambda folder: -int(folder.parent.name))


def unavailable(reason: str) -> NoReturn:
    """Skip the test for the reason, or fail it where peers must be there."""
    if os.environ.get("DICOM_NODE_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _missing(what: str) -> NoReturn:
    unavailable(f"{what} is not installed; ./scripts/setup test-peers installs it on Debian")

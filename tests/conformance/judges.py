"""Foreign programs that judge our DICOM: dciodvfy, PixelMed's validator, DCMTK's dsrdump."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.peers.programs import require, require_jar

_TOO_LONG_S = 240
# PixelMed's style sheets are larger than Java 17's XPath limits allow
_JAVA_LIMITS = tuple(f"-Djdk.xml.xpath{limit}=0" for limit in ("ExprGrpLimit", "ExprOpLimit", "TotalOpLimit"))


def dciodvfy_errors(path: Path) -> list[str]:
    """Return what dicom3tools' validator calls an error; it must have known the kind of object."""
    judged = _run([str(require("dciodvfy")), "-new", str(path)])
    said = judged.stdout.splitlines() + judged.stderr.splitlines()
    assert any(line.strip() in _KNOWN_OBJECTS for line in said), said
    return [line for line in said if line.startswith("Error")]


def pixelmed_errors(paths: Sequence[Path]) -> dict[str, list[str]]:
    """Return what PixelMed's DicomSRValidator calls an error, by file name; half a minute, side by side."""
    command = [
        str(require("java")),
        "-Djava.awt.headless=true",
        *_JAVA_LIMITS,
        "-cp",
        str(require_jar("pixelmed.jar")),
        "com.pixelmed.validate.DicomSRValidator",
    ]
    running = {
        path.name: subprocess.Popen(
            [*command, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for path in paths
    }
    errors = {}
    for name, process in running.items():
        said, _ = process.communicate(timeout=_TOO_LONG_S)
        assert "Found Root Template TID_1500" in said, said
        assert "IOD validation complete" in said, said
        errors[name] = [line for line in said.splitlines() if line.startswith("Error")]
    return errors


def dsrdump(path: Path) -> tuple[int, list[str]]:
    """Return DCMTK's exit status and complaints for an SR document.

    That it has no table for a character set is a statement about itself, not about the document.
    """
    judged = _run([str(require("dsrdump")), str(path)])
    complaints = [
        line
        for line in judged.stderr.splitlines()
        if "Specific Character Set" not in line and "SpecificCharacterSet" not in line
    ]
    return judged.returncode, complaints


_KNOWN_OBJECTS = {
    "Comprehensive3DSR",
    "ComprehensiveSR",
    "BasicTextSR",
    "SCImage",
    "MultiframeTrueColorSCImage",
}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=_TOO_LONG_S, check=False
    )

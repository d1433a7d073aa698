import json
import subprocess
import sys

PROGRAM = """
import logging, sys
from io import BytesIO
from pydicom import Dataset, dcmread
from dicom_node.logs import configure_logging
configure_logging(sys.argv[1], "json", "test")
header = dcmread(BytesIO(sys.stdin.buffer.read()), force=True)
report = Dataset()
report.PatientSex, report.PatientAge = header.PatientSex, header.PatientAge
logging.getLogger("dicom_node.test").warning("header read", extra={"sop_instance_uid": "1.2"})
"""
HEADER = b"\x10\x00\x40\x00CS\x06\x00secret" + b"\x10\x00\x10\x10AS\x06\x00SECRET"
"""Sex and Age with values that their VRs forbid: copied into a report, pydicom quotes them."""


def test_malformed_patient_data_are_in_no_line_of_the_log() -> None:
    for level in ("DEBUG", "WARNING"):
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, level], input=HEADER, capture_output=True, check=True, timeout=60
        )
        lines = ran.stderr.decode().splitlines()
        assert json.loads(lines[-1])["sop_instance_uid"] == "1.2"
        assert "SECRET" not in ran.stderr.decode().upper()

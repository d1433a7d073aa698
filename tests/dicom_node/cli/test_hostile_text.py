"""Names that try to command the terminal of whoever looks at the worklist."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path


def dicom_node(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DICOM_NODE_DATA_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "dicom_node.cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_hostile_name_commands_neither_table_nor_terminal(tmp_path: Path) -> None:
    dicom_node("migrate", home=tmp_path)
    with closing(sqlite3.connect(tmp_path / "node.sqlite")) as database, database:
        _enter_study(database, patient_name="[/bold]\x1b[2J^EVIL", patient_id="[link=x]", study_date="[/]")

    done = dicom_node("worklist", "--hours", "0", home=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "[/bold]" in done.stdout
    assert "[link=x]" in done.stdout
    assert "\x1b" not in done.stdout


def _enter_study(database: sqlite3.Connection, **values: str) -> None:
    row = {
        "study_instance_uid": "1.2.3",
        "state": "RECEIVING",
        **dict.fromkeys(("received_at", "last_instance_at", "complete_after"), "2026-01-01 00:00:00.000000"),
        **values,
    }
    named = ", ".join(f":{name}" for name in row)
    database.execute(f"INSERT INTO studies ({', '.join(row)}) VALUES ({named})", row)

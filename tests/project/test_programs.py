"""A missing peer is never passed over where it must be there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.programs import require, require_jar

NOWHERE = "a-program-that-nobody-has"


def test_a_program_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "judge"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert require("judge") == program


@pytest.mark.parametrize("look", [require, require_jar])
def test_a_missing_program_fails_the_test_where_peers_are_required(
    look: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_NODE_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match=f"{NOWHERE} is not installed"):
        look(NOWHERE)


@pytest.mark.parametrize("look", [require, require_jar])
def test_a_missing_program_skips_the_test_elsewhere(
    look: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DICOM_NODE_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{NOWHERE} is not installed"):
        look(NOWHERE)

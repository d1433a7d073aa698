"""The studies of these tests were received at a fixed noon: the page must reach back to it."""

from datetime import timedelta

import pytest

from dicom_node import triage


@pytest.fixture(autouse=True)
def _every_study_is_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triage, "WINDOW", timedelta(days=36_500))

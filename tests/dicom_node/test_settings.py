"""Settings: read from the environment, checked at once, said clearly."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from dicom_node.settings import Settings, parse_destination


def refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> str:
    monkeypatch.setenv(f"DICOM_NODE_{name}", text)
    with pytest.raises(ValidationError) as refusal:
        Settings()
    return str(refusal.value)


def test_an_installation_that_sets_nothing_stays_on_its_own_machine() -> None:
    settings = Settings()
    assert settings.scp_host == settings.web_host == "127.0.0.1"
    assert settings.destinations == settings.calling_ae_titles == ()
    assert settings.effective_database_url == f"sqlite:///{Path('node-data').resolve() / 'node.sqlite'}"


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_CALLING_AE_TITLES", "MODALITY, OTHER AE ,,")
    monkeypatch.setenv("DICOM_NODE_DESTINATIONS", "PACS@pacs.example:104,X@[::1]:11112")
    settings = Settings()
    assert settings.calling_ae_titles == ("MODALITY", "OTHER AE")
    assert settings.destinations == ("PACS@pacs.example:104", "X@[::1]:11112")


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_SCP_PORT", "")
    assert Settings().scp_port == 11112


@pytest.mark.parametrize(
    ("text", "host"),
    [("PACS@10.0.0.1:104", "10.0.0.1"), ("MY AE@h:1", "h"), ("A@[2001:db8::1]:65535", "2001:db8::1")],
)
def test_a_destination_is_ae_at_host_and_port(text: str, host: str) -> None:
    destination = parse_destination(text)
    assert destination.host == host
    assert str(destination.ae_title) == text.split("@", maxsplit=1)[0]


@pytest.mark.parametrize(
    "text",
    [
        "PACS",
        "PACS@host",
        "PACS@host:0",
        "PACS@host:65536",
        "@host:104",
        "P@:104",
        " @host:1",
        "A" * 17 + "@h:1",
        "A\\B@h:1",
    ],
)
def test_what_is_no_destination_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert "write AE_TITLE@host:port" in refused(monkeypatch, "DESTINATIONS", text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AE_TITLE", "A" * 17),
        ("AE_TITLE", "A\\B"),
        ("CALLING_AE_TITLES", "GOOD," + "B" * 17),
        ("SCP_PORT", "65536"),
        ("SCP_PORT", "-1"),
        ("DEVICE", "gpu"),
        ("ANALYSIS_WORKERS", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("QUIET_PERIOD_CT", "soon"),
        ("DISPATCH_WINDOW", "0"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    assert name.lower() in refused(monkeypatch, name, text)


@pytest.mark.parametrize("text", ["auto", "cpu", "cuda:0", "cuda:11"])
def test_a_device_is_auto_cpu_or_one_gpu(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DICOM_NODE_DEVICE", text)
    assert Settings().device == text


def test_settings_do_not_change(settings: Settings) -> None:
    with pytest.raises(ValidationError):
        settings.scp_port = 1  # type: ignore[misc] # the point
    with pytest.raises(ValidationError):
        Settings(scp_prot=1)  # type: ignore[call-arg] # the point


def test_a_configured_database_stands_before_the_embedded_one(tmp_path: Path) -> None:
    url = "postgresql+psycopg://node@db/node"
    assert Settings(data_home=tmp_path, database_url=url).effective_database_url == url


def test_sockets_stay_short_below_a_deep_folder_and_are_told_apart(tmp_path: Path) -> None:
    near = Settings(data_home=Path("/tmp/n"))
    assert near.socket_path("broker.sock") == near.run_home / "broker.sock"
    deep = [Settings(data_home=tmp_path / ("deep" * 30) / name) for name in ("a", "b")]
    paths = {one.socket_path("broker.sock") for one in deep}
    assert len(paths) == 2
    for path in paths:
        assert len(str(path)) < 108
        assert path.parent.stat().st_mode & 0o777 == 0o700
        path.parent.rmdir()


def test_durations_come_from_plain_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_LEASE", "90")
    assert Settings().lease == timedelta(seconds=90)

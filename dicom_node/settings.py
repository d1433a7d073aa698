"""Every setting of the node, typed, read once by the doors and handed down."""

import hashlib
import os
import re
import stat
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dicom_node.domain.delivery import Destination
from dicom_node.domain.identifiers import AETitle, is_ae_title

_LONGEST_SOCKET_PATH = 100
_DATABASES = ("sqlite:///", "postgresql://", "postgresql+psycopg://")
_BROKERS = ("redis://", "rediss://", "redis+socket://", "sentinel://", "amqp://", "amqps://")
_DESTINATION = re.compile(r"(?P<ae>[^@]{1,16})@(?P<host>[^@]+):(?P<port>\d{1,5})")


def parse_destination(text: str) -> Destination:
    """Return the Destination written ``AE@host:port`` (an IPv6 host in brackets).

    Raises
    ------
    ValueError
        The text is not of that form, the AE title is not one (PS3.5 6.2) or the port is out of range.
    """
    match = _DESTINATION.fullmatch(text.strip())
    if match is None or not is_ae_title(match["ae"]) or not 0 < int(match["port"]) < 65536:
        raise ValueError(f"{text!r} is not a destination: write AE_TITLE@host:port")
    return Destination(
        ae_title=AETitle(match["ae"].strip()), host=match["host"].strip("[]"), port=int(match["port"])
    )


def _comma_list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _plain_seconds(value: object) -> object:
    """Let ``90`` and ``0.3`` stand for seconds; pydantic takes only ISO 8601 and ``H:M:S``."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value.strip()):
        return float(value)
    return value


def _checked_ae_title(value: str) -> str:
    if not is_ae_title(value):
        raise ValueError(f"{value!r} is not an AE title: 1-16 printable characters (PS3.5 6.2)")
    return value


def _checked_destinations(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        parse_destination(value)
    return values


def _checked_database_url(value: str) -> str:
    if value and not value.startswith(_DATABASES):
        raise ValueError("not a database of the node: write postgresql+psycopg://user@host/name")
    return value


def _checked_broker_url(value: str) -> str:
    if value and not value.startswith(_BROKERS):
        raise ValueError(f"not a broker of the node: write one of {', '.join(_BROKERS)}")
    return value


Duration = Annotated[timedelta, BeforeValidator(_plain_seconds)]
AETitleSetting = Annotated[str, AfterValidator(_checked_ae_title)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
AETitles = Annotated[tuple[AETitleSetting, ...], NoDecode, BeforeValidator(_comma_list)]
Destinations = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_comma_list), AfterValidator(_checked_destinations)
]


class Settings(BaseSettings):
    """What an installation decides; each field is the environment variable ``DICOM_NODE_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="DICOM_NODE_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    data_home: Path = Field(
        Path("node-data"), description="Folder of the archive, the embedded database and the run-time sockets"
    )
    data_dir: Path | None = Field(
        None,
        description="Folder of real images for training, tests, demo; unset: ../shared/data",
    )
    database_url: Annotated[str, AfterValidator(_checked_database_url)] = Field(
        "",
        description="SQLAlchemy URL; empty: SQLite in data_home. PostgreSQL: postgresql+psycopg://user@host/name",
    )
    broker_url: Annotated[str, AfterValidator(_checked_broker_url)] = Field(
        "",
        description="Redis or Valkey URL of the doorbell; empty: an embedded broker on a private unix socket",
    )

    ae_title: AETitleSetting = Field(
        "DICOM_NODE", description="Our AE title, called by senders, calling to Destinations"
    )
    scp_host: str = Field("127.0.0.1", description="Address that the storage SCP listens on")
    scp_port: int = Field(11112, ge=0, le=65535, description="Port of the storage SCP; 0 takes a free one")
    calling_ae_titles: AETitles = Field(
        (), description="AE titles that may send, comma separated; empty: every AE may (and `status` says so)"
    )
    maximum_associations: int = Field(
        20, ge=1, description="Associations served at once; more are told to come later"
    )
    network_timeout: Duration = Field(
        timedelta(seconds=60), description="Silence after which an association is ended"
    )
    minimum_free_space_mb: int = Field(
        256, ge=0, description="Below this much free space instances are refused with 0xA700 (MiB)"
    )

    quiet_period_radiograph: Duration = Field(
        timedelta(seconds=0.3), description="CR/DX: quiet after the last release before the study is complete"
    )
    quiet_period_ct: Duration = Field(
        timedelta(seconds=2), description="CT: quiet after the last release before the study is complete"
    )
    silence_period: Duration = Field(
        timedelta(seconds=10), description="Silence after the last instance when no release comes"
    )

    routes: Path | None = Field(
        None, description="TOML file of destinations and rules; unset: all results go to `destinations`"
    )
    destinations: Destinations = Field(
        (), description="Where results go: AE@host:port, comma separated; empty: results stay in the node"
    )
    delivery_first_backoff: Duration = Field(
        timedelta(seconds=30), description="Wait after the first failed delivery; doubles each time"
    )
    delivery_longest_backoff: Duration = Field(
        timedelta(minutes=10), description="Longest wait between two deliveries"
    )
    delivery_give_up_after: Duration = Field(
        timedelta(hours=24), description="Age at which a delivery that never got through is EXHAUSTED"
    )
    delivery_concurrency: int = Field(4, ge=1, le=64, description="Deliveries at once per delivery worker")

    lease: Duration = Field(
        timedelta(seconds=60), description="How long a claimed job is held without a sign of life"
    )
    ring_timeout: Duration = Field(
        timedelta(seconds=30), description="A rung job that nobody claimed for so long is rung again"
    )
    dispatch_window: int = Field(
        10, ge=1, description="Most jobs of a queue that are rung and not yet claimed"
    )
    maximum_attempts: int = Field(5, ge=1, description="Leases that a job may lose before it is DEAD")

    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda:\d+)$", description="Where networks run: auto, cpu or cuda:N"
    )
    analysis_workers: int = Field(1, ge=1, le=64, description="Analysis worker processes that `up` starts")
    decoder_processes: int = Field(
        2, ge=1, le=64, description="Pixel decoding child processes per analysis worker"
    )
    decoder_memory_mb: int = Field(2048, ge=256, description="Address space of a decoding child (MiB)")
    decoder_timeout: Duration = Field(timedelta(seconds=30), description="Longest decoding of one instance")
    weights_home: Path | None = Field(
        None, description="Folder of model weights; unset: those shipped in the package"
    )
    models: Names = Field(
        (), description="Names of the models that read studies, comma separated; empty: one per kind of image"
    )
    content_qualification: Literal["RESEARCH", "PRODUCT", "SERVICE"] = Field(
        "RESEARCH", description="Content Qualification (0018,9004) written into results"
    )

    web_host: str = Field("127.0.0.1", description="Address of the status page")
    web_port: int = Field(8080, ge=0, le=65535, description="Port of the status page; 0 takes a free one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line that is logged"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="json for machines, console for people"
    )

    @property
    def effective_database_url(self) -> str:
        """The URL in force: the configured one, or SQLite in ``data_home``."""
        return self.database_url or f"sqlite:///{self.data_home.resolve() / 'node.sqlite'}"

    @property
    def run_home(self) -> Path:
        """Folder of sockets and other things that live as long as the processes."""
        return self.data_home.resolve() / "run"

    def socket_path(self, name: str) -> Path:
        """Return a path for a unix socket that every process of this data folder agrees on.

        Unix socket paths hold about 107 bytes; below a deep data folder the socket is in a private one (0700)
        of the temporary directory instead.
        """
        path = self.run_home / name
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(self.run_home)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"dicom-node-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{folder} is not a private folder of this user")
        return folder / name

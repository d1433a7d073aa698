"""What a process works with, opened once from the settings and handed down."""

from dataclasses import dataclass

from dicom_node.archive import Archive
from dicom_node.database.engine import Database
from dicom_node.database.migrate import check_schema
from dicom_node.domain.study import QuietPeriods
from dicom_node.settings import Settings
from dicom_node.wakeup import Ringer, ringer


@dataclass(frozen=True, slots=True)
class Resources:
    """The opened database and archive, the bell of the dispatcher, and the settings they came from."""

    settings: Settings
    database: Database
    archive: Archive
    dispatcher_bell: Ringer

    @property
    def quiet_periods(self) -> QuietPeriods:
        """How long to wait for more of a study."""
        return QuietPeriods(
            radiograph=self.settings.quiet_period_radiograph,
            ct=self.settings.quiet_period_ct,
            silence=self.settings.silence_period,
        )

    def close(self) -> None:
        """Close what was opened."""
        self.dispatcher_bell.close()
        self.database.close()


def open_resources(settings: Settings) -> Resources:
    """Open the database and the archive; folders are made when missing.

    Raises
    ------
    ConfigurationError
        The database has another schema than this version of the software.
    OutOfResources
        The database cannot be reached.
    """
    settings.run_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_schema(settings.effective_database_url)
    return open_unchecked(settings)


def open_unchecked(settings: Settings) -> Resources:
    """Open the same without asking the database anything, to look at a node that may be broken."""
    settings.run_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    archive = Archive(
        settings.data_home.resolve() / "archive",
        minimum_free_bytes=settings.minimum_free_space_mb * 2**20,
    )
    return Resources(settings, Database(settings.effective_database_url), archive, ringer(settings))

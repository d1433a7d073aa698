"""A hospital to be shaken: a node on a database, and three PACSs of different kinds."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.force.clock import SteppedClock, stepped_clock
from benchmarks.force.disk import Disk, small_disk
from benchmarks.force.hostile import HostilePacs
from benchmarks.force.node import Node
from dicom_node.domain.delivery import Destination
from tests.peers.dcmtk import StoreScp
from tests.peers.orthanc import Orthanc
from tests.peers.postgres import Postgres

DATABASES = ("sqlite", "postgresql")
_DISK_MB = 512
_ROUTES = """
[destinations.orthanc]
address = "{orthanc}"
proof = "find"
verify_after = 0.5
verify_within = 5
first_backoff = 0.5
longest_backoff = 4

[destinations.hostile]
address = "{hostile}"
proof = "find"
verify_after = 0.5
verify_within = 5
first_backoff = 0.5
longest_backoff = 4

[destinations.storescp]
address = "{storescp}"
first_backoff = 0.5
longest_backoff = 4

[default]
destinations = ["orthanc", "hostile", "storescp"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The PACSs that results go to."""

    orthanc: Orthanc
    hostile: HostilePacs
    storescp: StoreScp

    @property
    def destinations(self) -> dict[str, Destination]:
        return {
            "orthanc": self.orthanc.destination,
            "hostile": self.hostile.destination,
            "storescp": self.storescp.destination,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that can be shaken, and where it can be looked at."""

    database: str
    database_url: str
    node: Node
    peers: Peers
    disk: Disk
    clock: SteppedClock | None
    postgres: Postgres | None


@contextmanager
def site(home: Path, database: str, *, seed: int) -> Iterator[Site]:
    """Run a site for a while; backoffs are short so that a run ends in minutes, the rest has its defaults."""
    home.mkdir(parents=True)
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(home, _DISK_MB))
        clock = stepped_clock(home)
        postgres = stack.enter_context(Postgres()) if database == "postgresql" else None
        url = stack.enter_context(postgres.new_database()) if postgres else ""
        peers = Peers(
            orthanc=stack.enter_context(Orthanc({"DicomAlwaysAllowFind": True})),
            hostile=stack.enter_context(HostilePacs(seed)),
            storescp=stack.enter_context(StoreScp(home / "storescp", options=["--unique-filenames"])),
        )
        data = disk.folder / "node"
        node = stack.enter_context(
            Node(
                data,
                home / "node.log",  # not on the disk that is filled
                _settings(home, peers, url),
                clock.environment if clock else None,
            )
        )
        yield Site(
            database=database,
            database_url=url or f"sqlite:///{data / 'node.sqlite'}",
            node=node,
            peers=peers,
            disk=disk,
            clock=clock,
            postgres=postgres,
        )


def _settings(home: Path, peers: Peers, database_url: str) -> Mapping[str, str]:
    routes = home / "routes.toml"
    routes.write_text(_ROUTES.format(**{name: str(at) for name, at in peers.destinations.items()}))
    return {
        "routes": str(routes),
        "destinations": ",".join(map(str, peers.destinations.values())),
        "delivery_first_backoff": "0.5",
        "delivery_longest_backoff": "4",
        "minimum_free_space_mb": "32",
        **({"database_url": database_url} if database_url else {}),
    }

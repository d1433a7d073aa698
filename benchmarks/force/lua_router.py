"""The do-it-yourself router to compare with: Orthanc and three lines of Lua, shaken in the same way.

It reads nothing; the originals that it forwards count as its results. Orthanc has its defaults.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.force.hostile import HostilePacs
from benchmarks.force.monkey import Fault, hostile_faults
from benchmarks.force.sender import Sending
from benchmarks.force.verdict import Verdict, hostile_objects, storescp_objects
from dicom_node.domain.delivery import Destination
from tests.peers.dcmtk import StoreScp
from tests.peers.orthanc import Orthanc

STABLE_AGE_S = 60
"""Orthanc's default: OnStableStudy comes so long after the last instance."""
_SCRIPT = """function OnStableStudy(studyId, tags, metadata)
  local order = '{"Resources": ["' .. studyId .. '"], "Synchronous": false}'
  RestApiPost('/modalities/hostile/store', order); RestApiPost('/modalities/storescp/store', order)
end
"""
_AFTER_S = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class LuaSite:
    """The router and its two PACSs, on a private link."""

    router: Orthanc
    hostile: HostilePacs
    storescp: StoreScp

    def faults(self) -> list[Fault]:
        """Return what can go wrong while studies come; the peers are those of the node's run."""
        return [
            Fault(name="router kill -9", do=self.router.kill, undo=self.router.start),
            *self.faults_of_peers(),
        ]

    def faults_of_peers(self) -> list[Fault]:
        """Return what can go wrong while it forwards, a StableAge later."""
        return hostile_faults(self.hostile, self.storescp)


@contextmanager
def lua_site(home: Path, *, seed: int) -> Iterator[LuaSite]:
    """Run it for a while."""
    home.mkdir(parents=True)
    script = home / "router.lua"
    script.write_text(_SCRIPT)
    with ExitStack() as stack:
        router = stack.enter_context(
            Orthanc({"LuaScripts": [str(script)], "DicomModalitiesInDatabase": True})
        )
        host = router.our_address
        hostile = stack.enter_context(HostilePacs(seed, host=host))
        storescp = stack.enter_context(StoreScp(home / "storescp", options=["--unique-filenames"], host=host))
        for name, peer in (("hostile", hostile.destination), ("storescp", storescp.destination)):
            router.rest(f"/modalities/{name}", _modality(peer), method="PUT")
        yield LuaSite(router=router, hostile=hostile, storescp=storescp)


def wait_for_stability(sending: Sending, over_at: float) -> None:
    """Wait until every study must have been called stable, and its jobs had some time."""
    last = max([*sending.released_at.values(), over_at])
    time.sleep(max(0.0, last + STABLE_AGE_S + _AFTER_S - time.monotonic()))


def judge_lua(site: LuaSite, sending: Sending) -> Verdict:
    """Compare ledger, router and PACSs."""
    verdict = Verdict()
    acknowledged = set(sending.ledger.acknowledged())
    stored = {
        str(json.loads(site.router.rest(f"/instances/{one}"))["MainDicomTags"]["SOPInstanceUID"])
        for one in site.router.instances()
    }
    verdict.failures["acknowledged instances lost"] = len(acknowledged - stored)
    held = {
        "hostile": hostile_objects(site.hostile),
        "storescp": storescp_objects(site.storescp.folder),
    }
    studies = {one.study_instance_uid for one in sending.studies}
    for name, objects in held.items():
        absent = acknowledged - {one.sop_instance_uid for one in objects}
        whole = studies - {one.study_instance_uid for one in sending.studies if absent & one.paths.keys()}
        verdict.failures[f"studies missing at {name}"] = len(studies - whole)
    jobs = [json.loads(site.router.rest(f"/jobs/{one}")) for one in json.loads(site.router.rest("/jobs"))]
    verdict.figures.update(
        {
            "studies": len(studies),
            "instances acknowledged": len(acknowledged),
            "jobs that it still tells of": dict(Counter(str(job["State"]) for job in jobs)),
            "hostile PACS": dict(Counter(one.mood.name for one in site.hostile.arrivals)),
        }
    )
    return verdict


def _modality(peer: Destination) -> dict[str, object]:
    return {"AET": peer.ae_title, "Host": peer.host, "Port": peer.port}

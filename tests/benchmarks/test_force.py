"""The judge of the chaos can find somebody guilty: liars, halves, doubles and overlaps are seen."""

import time
from pathlib import Path

from pydicom.uid import Comprehensive3DSRStorage

from benchmarks.force.hostile import Arrival, HostilePacs, Mood
from benchmarks.force.monkey import Fault, Monkey
from benchmarks.force.sender import Ledger, Sending
from benchmarks.force.studies import write_studies
from benchmarks.force.verdict import Verdict, overlaps, storescp_objects
from benchmarks.turnaround.arrival import ReportFound
from benchmarks.turnaround.studies import TimedStudy
from dicom_node import scu
from tests.synthetic import studies


def arrival(uid: str, mood: Mood, began: float = 0, ended: float = 1) -> Arrival:
    return Arrival(
        sop_instance_uid=uid,
        study_instance_uid="1.2",
        modality="SR",
        digest=f"digest of {uid}",
        mood=mood,
        began=began,
        ended=ended,
    )


def test_what_a_pacs_lied_about_is_not_kept_and_not_found(tmp_path: Path) -> None:
    report = studies.structured_report()
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = Comprehensive3DSRStorage
    timed = TimedStudy(
        study_instance_uid=str(report.StudyInstanceUID),
        sop_instance_uids=(str(report.SOPInstanceUID),),
        paths=(studies.write(report, tmp_path),),
    )
    with HostilePacs(seed=1) as pacs, ReportFound(pacs.destination) as found:
        pacs.arrivals.append(arrival(timed.sop_instance_uids[0], Mood.LYING))
        assert pacs.kept == {}
        assert found.wait(timed, within_s=0.1) is None
        (outcome,) = scu.send_instances(timed.paths, pacs.destination, calling_ae_title="NODE")
        assert outcome.accepted
        assert set(pacs.kept) == set(timed.sop_instance_uids)
        assert found.wait(timed, within_s=5) is not None


def test_a_hostile_pacs_does_all_that_it_threatens(tmp_path: Path) -> None:
    films = write_studies(tmp_path / "films", films=40, cts=0)
    with HostilePacs(seed=3) as pacs, Ledger(tmp_path / "ledger") as ledger:
        pacs.is_hostile = True
        sending = Sending(studies=films, receiver=pacs.destination, ledger=ledger, over_s=0)
        sending.start()
        assert sending.wait(60)
        moods = {one.mood for one in pacs.arrivals}
    assert {Mood.HONEST, Mood.REFUSING, Mood.ABORTING, Mood.MUTE, Mood.LYING} <= moods
    assert len(ledger.acknowledged()) == len(films)
    lied_about = [one.sop_instance_uid for one in pacs.arrivals if one.mood is Mood.LYING]
    assert lied_about
    assert set(lied_about) & set(ledger.acknowledged())


def test_half_a_file_at_storescp_is_no_result(tmp_path: Path) -> None:
    whole = studies.write(studies.chest_film(), tmp_path)
    assert len(storescp_objects(tmp_path)) == 1
    (tmp_path / "half.dcm").write_bytes(whole.read_bytes()[:-1000])
    assert len(storescp_objects(tmp_path)) == 1


def test_two_sendings_of_one_object_at_the_same_time_are_seen() -> None:
    pacs = HostilePacs(seed=1)
    pacs.arrivals += [arrival("1", Mood.HONEST, 0, 2), arrival("1", Mood.HONEST, 3, 4)]
    assert overlaps(pacs) == 0
    pacs.arrivals.append(arrival("1", Mood.HONEST, 3.5, 5))
    assert overlaps(pacs) == 1


def test_each_fault_happens_and_is_undone() -> None:
    done: list[str] = []
    faults = [
        Fault(name="once", do=lambda: done.append("once")),
        Fault(name="a while", do=lambda: done.append("a while"), undo=lambda: done.append("undone")),
        Fault(name="nobody there", do=lambda: False),
    ]
    monkey = Monkey(faults=faults, seed=1, lasting_s=0)
    monkey.run()
    assert set(monkey.counts) == {"once", "a while"}
    assert done.count("a while") == done.count("undone") == 1
    assert monkey.over_at <= time.monotonic()


def test_a_verdict_with_any_failure_is_not_clean() -> None:
    assert Verdict(failures={"lost": 0}).is_clean
    assert not Verdict(failures={"lost": 0, "doubled": 1}).is_clean
    assert Verdict(recovery_s=[1.0, 2.0, 9.0]).percentile(0.99) == 9.0

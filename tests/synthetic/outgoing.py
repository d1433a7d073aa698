"""Short ways to results in the archive that are to go out, and to the job that brings them."""

from datetime import datetime

from dicom_node.database import analyses, deliveries, delivery_steps, jobs, outbox
from dicom_node.database.analyses import ReadingResult
from dicom_node.delivery.sending import deliver
from dicom_node.domain.delivery import Delivery, InstanceState, Order
from dicom_node.domain.finding import Condition, Finding, Output, OutputRole, Presence
from dicom_node.domain.identifiers import DeliveryId, derived_uid
from dicom_node.domain.job import Lease, Queue
from dicom_node.resources import Resources
from dicom_node.routes_in_force import activate
from dicom_node.routing.loading import read_routes
from tests.synthetic import stories
from tests.synthetic import studies as synthetic

ACTOR = "worker:test"


def use_routes(resources: Resources, text: str) -> None:
    """Put routes in force."""
    with resources.database.begin() as session:
        activate(session, read_routes(text, "test"), actor="test", now=resources.database.now(session))


def complete_with_outputs(resources: Resources, *destinations: str, number: int = 1) -> list[Output]:
    """An Analysis with a report and a heat map in the archive, and a delivery job a Destination."""
    stories.request_analyses(resources.database, stories.CXR, number=number)
    held = stories.start(resources.database)
    outputs = [_stored(resources, role, number) for role in (OutputRole.REPORT, OutputRole.HEATMAP)]
    finding = Finding(
        condition=Condition.COVID19, probability=0.9, operating_point=0.5, presence=Presence.PRESENT
    )
    result = ReadingResult(findings=(finding,), outputs=tuple(outputs), input_digest="e" * 64, priority=2)
    with resources.database.begin() as session:
        analyses.complete_analysis(
            session,
            held,
            result,
            destinations=tuple(Order(destination=name) for name in destinations),
            actor=ACTOR,
            now=resources.database.now(session),
        )
    return outputs


def started_delivery(resources: Resources, *, now: datetime | None = None) -> tuple[Lease, Delivery]:
    """Claim the next delivery job; without a time that which the next is due at, or now."""
    database = resources.database
    with database.read() as session:
        due = jobs.next_due(session)
        at = now or max(database.now(session), due or database.now(session))
    held = stories.claim(database, Queue.DELIVERY, now=at)
    with database.begin() as session:
        return held, delivery_steps.start_delivery(session, held, actor=ACTOR, now=at)


def deliver_next(resources: Resources) -> Delivery:
    """Do the next step of the next delivery job; return what became of the Delivery."""
    held, delivery = started_delivery(resources)
    deliver(resources, held, delivery, actor=ACTOR)
    return state_of(resources, delivery)


def next_is_due(resources: Resources) -> bool:
    with resources.database.read() as session:
        due = jobs.next_due(session)
        return due is not None and due <= resources.database.now(session)


def state_of(resources: Resources, delivery: Delivery) -> Delivery:
    with resources.database.read() as session:
        return deliveries.find_delivery(session, DeliveryId(delivery.delivery_id))


def instance_states(resources: Resources, delivery: Delivery) -> list[InstanceState]:
    """In the order of sending: heat map, report."""
    with resources.database.read() as session:
        return [row.state for row in outbox.outbox_of(session, delivery.delivery_id)]


def _stored(resources: Resources, role: OutputRole, number: int) -> Output:
    dataset = synthetic.secondary_capture()
    dataset.SOPInstanceUID = derived_uid("outgoing", str(number), role.value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    content = synthetic.part10(dataset)
    path, sha256 = resources.archive.put(dataset.SOPInstanceUID, content)
    return Output(
        role=role,
        sop_instance_uid=dataset.SOPInstanceUID,
        sop_class_uid=dataset.SOPClassUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        path=path,
        sha256=sha256,
        size=len(content),
    )

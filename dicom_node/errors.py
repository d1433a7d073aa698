"""Everything that can go wrong, by name."""

from enum import Enum


class DicomNodeError(Exception):
    """Root of the family; a door that catches this knows what to tell."""


class Temporary(DicomNodeError):
    """Something that may well work later: try again, with backoff."""


class RefusalReason(Enum):
    """Why an Instance is not taken; the value is what the sender and the audit trail read."""

    UNSUPPORTED_SOP_CLASS = "SOP Class is not one that this node reads"
    UNSUPPORTED_TRANSFER_SYNTAX = "Transfer Syntax is not one that this node decodes"
    UID_MISMATCH = "UIDs of the command and of the data set disagree"
    INVALID_UID = "a required UID is missing or malformed"
    TRUNCATED = "the data set is truncated or cannot be parsed"
    PATIENT_MISMATCH = "Patient ID differs from the one that the study was opened with"
    CONFLICT = "another content is already stored under this SOP Instance UID"
    OWN_OUTPUT = "the instance was made by this node"


class InstanceRefused(DicomNodeError):
    """An Instance that the node does not take; the sender is told why."""

    def __init__(self, sop_instance_uid: str, reason: RefusalReason, detail: str = "") -> None:
        super().__init__(
            f"{sop_instance_uid or '(no UID)'} refused: {reason.value}{': ' + detail if detail else ''}"
        )
        self.sop_instance_uid, self.reason, self.detail = sop_instance_uid, reason, detail


class OutOfResources(Temporary):
    """No space, or the database cannot be reached: nothing was kept, the sender should try again."""


class UnreadablePixels(DicomNodeError):
    """The pixel data are missing, truncated, too large for the limits, or cannot be decoded."""


class NotApplicable(DicomNodeError):
    """No model of this node can read the study; the message says why, for people."""


class StateConflict(DicomNodeError):
    """A state change met another state than it expected; somebody else was first."""


class LeaseLost(DicomNodeError):
    """The fencing token no longer holds the job: whatever was done must not be settled."""


class ShadowMustStay(DicomNodeError):
    """Something of a model in shadow was about to leave the database."""


class DeploymentRefused(DicomNodeError):
    """A model cannot take part as somebody asked; the message says why."""


class ModelElsewhere(Temporary):
    """This worker does not have the model; another one of the installation does."""


class ArchiveCorrupted(DicomNodeError):
    """Bytes in the archive are missing or no longer have the digest that was recorded."""


class DestinationUnreachable(Temporary):
    """No association, or it broke: the Destination may be back later."""


class DeliveryRefused(DicomNodeError):
    """The Destination refused for good: trying again would give the same answer."""


class ConfigurationError(DicomNodeError):
    """A setting that cannot work, said before anything starts."""


class RoutesRefused(ConfigurationError):
    """Routes that cannot be in force; each problem starts with its file and line."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class BrokerUnavailable(Temporary):
    """No broker could be started or reached."""


class StartFailed(DicomNodeError):
    """A process of the node kept ending, or was not ready in time, while the node was starting."""

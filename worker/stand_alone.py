"""Read the studies of a folder with the models of this process: no database, no queue, no network."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicom_node import dimse
from dicom_node.domain.finding import Analysis, AnalysisState, Finding, ModelIdentity
from dicom_node.domain.identifiers import (
    AnalysisId,
    SeriesInstanceUID,
    SOPInstanceUID,
    StudyInstanceUID,
    derived_uuid,
)
from dicom_node.domain.routing import ModelMode
from dicom_node.domain.study import StoredInstance
from dicom_node.domain.worklist import ROUTINE
from dicom_node.errors import NotApplicable, UnreadablePixels
from dicom_node.imaging.decoding import DecoderPool
from dicom_node.resources import open_unchecked
from dicom_node.settings import Settings
from worker.analysis import Tools, analyze_study
from worker.loaded_models import LoadedModels
from worker.process import chosen_device
from worker.stored_headers import read_header

REVISION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a model said of a study, or why it said nothing."""

    study_instance_uid: StudyInstanceUID
    model: ModelIdentity
    state: AnalysisState
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    priority: int = ROUTINE
    outputs: tuple[tuple[str, str, bytes], ...] = ()
    """Series Instance UID, SOP Instance UID and Part 10 bytes of the heat map and of the report."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Models and decoders that are open; see :func:`reader`."""

    tools: Tools
    models: LoadedModels

    def read(self, instances: Sequence[StoredInstance]) -> list[Reading]:
        """Have every fitting model read one study; an empty list when no model reads such images.

        The same images give the same UIDs again.
        """
        modalities = {instance.modality for instance in instances}
        fitting = [
            one.identity for one in self.models.registered() if one.chosen and one.modalities & modalities
        ]
        return [self._read(tuple(instances), model) for model in sorted(fitting, key=str)]

    def _read(self, instances: tuple[StoredInstance, ...], model: ModelIdentity) -> Reading:
        study, digests = StudyInstanceUID(_study_of(instances[0])), sorted(one.sha256 for one in instances)
        analysis = Analysis(
            analysis_id=AnalysisId(derived_uuid("stand-alone", study, model.weights_sha256, *digests)),
            study_instance_uid=study,
            model=model,
            revision=REVISION,
            mode=ModelMode.ACTIVE,
            state=AnalysisState.RUNNING,
            reason="",
            input_digest="",
            findings=(),
            priority=ROUTINE,
            created_at=datetime.now(UTC),
            started_at=datetime.now(UTC),
            completed_at=None,
        )
        try:
            result = analyze_study(self.tools, analysis, self.models.get(model), instances)
        except (NotApplicable, UnreadablePixels) as refusal:
            return Reading(
                study_instance_uid=study, model=model, state=AnalysisState.NOT_APPLICABLE, reason=str(refusal)
            )
        archive = self.tools.resources.archive
        return Reading(
            study_instance_uid=study,
            model=model,
            state=AnalysisState.COMPLETED,
            findings=result.findings,
            priority=result.priority,
            outputs=tuple(
                (one.series_instance_uid, one.sop_instance_uid, archive.path(one.path).read_bytes())
                for one in result.outputs
            ),
        )


@contextmanager
def reader(settings: Settings) -> Iterator[Reader]:
    """Open models and decoders, and a folder for what is made, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dicom-node-") as home:
        alone = settings.model_copy(
            update={"data_home": Path(home), "database_url": "", "minimum_free_space_mb": 0}
        )
        decoders = DecoderPool(
            processes=settings.decoder_processes,
            memory_bytes=settings.decoder_memory_mb * 2**20,
            timeout_s=settings.decoder_timeout.total_seconds(),
        )
        with closing(open_unchecked(alone)) as resources, closing(decoders):
            models = LoadedModels(
                settings.weights_home, chosen_device(settings.device, "alone"), names=settings.models
            )
            yield Reader(Tools(resources=resources, decoders=decoders), models)


def studies_of(paths: Sequence[Path]) -> dict[StudyInstanceUID, list[StoredInstance]]:
    """Return the instances of Part 10 files by study.

    Raises
    ------
    UnreadablePixels
        One of the files is no Part 10 file, or its header cannot be read.
    """
    found: dict[StudyInstanceUID, list[StoredInstance]] = {}
    for path in paths:
        instance, study = _instance(path)
        found.setdefault(study, []).append(instance)
    return found


def _instance(path: Path) -> tuple[StoredInstance, StudyInstanceUID]:
    header = read_header(path)
    try:
        encoded = dimse.split_file_meta(path)
        study = StudyInstanceUID(str(header.StudyInstanceUID))
        series = SeriesInstanceUID(str(header.SeriesInstanceUID))
    except (ValueError, AttributeError) as error:
        raise UnreadablePixels(f"{path.name} is not a DICOM file with its identifiers") from error
    content = path.read_bytes()[encoded.offset :]
    instance = StoredInstance(
        sop_instance_uid=SOPInstanceUID(encoded.sop_instance_uid),
        series_instance_uid=series,
        sop_class_uid=encoded.sop_class_uid,
        transfer_syntax_uid=encoded.transfer_syntax_uid,
        modality=str(header.get("Modality", "")),
        path=str(path.resolve()),  # absolute, so that the archive leads to where it lies
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        late=False,
    )
    return instance, study


def _study_of(instance: StoredInstance) -> str:
    return str(read_header(Path(instance.path)).StudyInstanceUID)

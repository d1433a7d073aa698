"""Analysis jobs: claim, read, settle. Each may run twice or die anywhere."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from dicom_node.database import analyses, jobs, model_register, shadow_jobs, studies
from dicom_node.domain.finding import Analysis
from dicom_node.domain.identifiers import JobId
from dicom_node.domain.job import Lease
from dicom_node.errors import (
    DicomNodeError,
    LeaseLost,
    ModelElsewhere,
    NotApplicable,
    Temporary,
    UnreadablePixels,
)
from dicom_node.routes_in_force import orders_of
from models.catalog import LoadedClassifier
from worker.analysis import Tools, analyze_study, inputs_of
from worker.lease_keeper import kept_alive
from worker.loaded_models import LoadedModels
from worker.settling import settled_or_logged

logger = logging.getLogger(__name__)

RETRY_AFTER = timedelta(seconds=2)
UNFORESEEN_ATTEMPTS = 2
"""What is not known to be temporary is most likely the same again, and a whole reading each time."""


@dataclass(frozen=True, slots=True)
class AnalysisDesk:
    """What an analysis worker does its jobs with."""

    tools: Tools
    models: LoadedModels
    slot: str

    def analyze(self, job_id: UUID) -> None:
        """Do one analysis job, if it is still to be done."""
        resources = self.tools.resources
        with settled_or_logged(job_id):
            with resources.database.begin() as session:
                now = resources.database.now(session)
                if shadow_jobs.gave_way(session, JobId(job_id), now=now):
                    return
                held = jobs.claim(
                    session, JobId(job_id), owner=self.slot, lease=resources.settings.lease, now=now
                )
                if held is None:
                    return
                analysis = analyses.start_analysis(session, held, actor=f"worker:{self.slot}", now=now)
            with kept_alive(resources, held):
                self._read(held, analysis)
            resources.dispatcher_bell.ring()

    def _read(self, held: Lease, analysis: Analysis) -> None:
        resources, actor = self.tools.resources, f"worker:{self.slot}"
        read = inputs_of(resources, analysis)
        try:
            result = analyze_study(self.tools, analysis, self._classifier(analysis), read)
        except (NotApplicable, UnreadablePixels) as refusal:
            with resources.database.begin() as session:
                analyses.close_analysis_not_applicable(
                    session,
                    held,
                    reason=str(refusal),
                    input_digest=studies.input_digest(read),
                    actor=actor,
                    now=resources.database.now(session),
                )
            logger.info("not analysed", extra={"analysis": str(analysis.analysis_id)})
        except LeaseLost:
            raise
        except Exception as error:  # the door: whatever went wrong is entered, and somebody sees it
            logger.exception("analysis failed", extra={"analysis": str(analysis.analysis_id)})
            self._fail_or_try_again(held, error)
        else:
            with resources.database.begin() as session:
                analyses.complete_analysis(
                    session,
                    held,
                    result,
                    destinations=orders_of(session, analysis.study_instance_uid),
                    actor=actor,
                    now=resources.database.now(session),
                )
            logger.info("analysed", extra={"analysis": str(analysis.analysis_id)})

    def _classifier(self, analysis: Analysis) -> LoadedClassifier:
        """Return the model; raises ModelElsewhere where only another worker has it."""
        resources = self.tools.resources
        if not self.models.has(analysis.model):
            with resources.database.read() as session:
                if model_register.is_installed(session, analysis.model):
                    raise ModelElsewhere(f"{analysis.model} is on another worker")
        return self.models.get(analysis.model)

    def _fail_or_try_again(self, held: Lease, error: Exception) -> None:
        resources = self.tools.resources
        told = str(error) if isinstance(error, DicomNodeError) else f"{type(error).__name__} while reading"
        with resources.database.begin() as session:
            now = resources.database.now(session)
            if isinstance(error, Temporary) or held.attempt < UNFORESEEN_ATTEMPTS:
                not_before = now + RETRY_AFTER * 2 ** min(held.attempt - 1, 8)
                analyses.postpone_analysis(session, held, not_before=not_before, error=told, now=now)
                return
            analyses.fail_analysis(session, held, reason=told, actor=f"worker:{self.slot}", now=now)

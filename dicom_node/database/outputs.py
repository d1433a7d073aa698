"""Outputs: the instances that an Analysis made, their bytes in the archive."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicom_node.database.tables import outputs
from dicom_node.domain.finding import Output, OutputRole
from dicom_node.domain.identifiers import AnalysisId


def outputs_of(session: Session, analysis_id: AnalysisId) -> tuple[Output, ...]:
    """Return the instances that the Analysis made."""
    rows = session.execute(
        sa.select(outputs).where(outputs.c.analysis_id == analysis_id).order_by(outputs.c.id)
    )
    return tuple(
        Output(
            role=OutputRole(row.role),
            sop_instance_uid=row.sop_instance_uid,
            sop_class_uid=row.sop_class_uid,
            series_instance_uid=row.series_instance_uid,
            path=row.path,
            sha256=row.sha256,
            size=row.size,
        )
        for row in rows
    )


def insert_outputs(session: Session, analysis_id: AnalysisId, made: tuple[Output, ...]) -> None:
    """Enter the instances that the Analysis made, in the transaction of its completion."""
    session.execute(
        sa.insert(outputs),
        [
            {
                "analysis_id": analysis_id,
                "role": output.role.value,
                "sop_instance_uid": output.sop_instance_uid,
                "sop_class_uid": output.sop_class_uid,
                "series_instance_uid": output.series_instance_uid,
                "path": output.path,
                "sha256": output.sha256,
                "size": output.size,
            }
            for output in made
        ],
    )

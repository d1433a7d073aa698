"""What every task shares: it ends quietly when its job is no longer its own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from dicom_node.errors import LeaseLost, OutOfResources

logger = logging.getLogger(__name__)


@contextmanager
def settled_or_logged(job_id: UUID) -> Iterator[None]:
    """End a task quietly whose job another worker holds, or whose database is away: it goes back."""
    try:
        yield
    except LeaseLost:
        logger.warning("lease lost, nothing was entered", extra={"job": str(job_id)})
    except OutOfResources:
        logger.warning("database away, the job is given back when it is there", extra={"job": str(job_id)})

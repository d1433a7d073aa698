"""Structured logs without patient data: a constant message and facts beside it."""

import logging
import sys
import warnings

import structlog


def configure_logging(level: str, log_format: str, process: str) -> None:
    """Send every log line of this process to standard error.

    Parameters
    ----------
    level
        Least severe level that is shown, e.g. ``INFO``.
    log_format
        ``json``, one object a line, or ``console`` for people.
    process
        Name of the process, put on each line.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        lambda _logger, _name, event: {**event, "process": process},
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("pynetdicom", "highdicom", "httpx", "alembic", "kombu", "celery"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # pydicom quotes malformed values, a patient's too, in its log and in warnings
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"pydicom\b")

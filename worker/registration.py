"""A worker's entries in the register of models: made at its start, kept while it lives."""

import logging
import threading

from dicom_node.database import model_register
from dicom_node.database.model_register import FORGOTTEN_AFTER, RegisteredModel
from dicom_node.errors import Temporary
from dicom_node.resources import Resources

logger = logging.getLogger(__name__)

SIGN_OF_LIFE_EVERY = FORGOTTEN_AFTER / 10


class Registration:
    """What one worker offers, under the name that it is audited by."""

    def __init__(self, resources: Resources, offered: list[RegisteredModel], actor: str) -> None:
        self._resources, self._offered, self._actor = resources, offered, actor

    def enter(self) -> None:
        """Enter the models; raises ConfigurationError when a chosen version is known with other weights."""
        database = self._resources.database
        with database.begin() as session:
            now = database.now(session)
            left_out = model_register.register_models(session, self._offered, actor=self._actor, now=now)
        for identity in left_out:
            logger.warning(
                "registered with other weights, not offered: raise its version",
                extra={"model": str(identity), "weights_sha256": identity.weights_sha256},
            )

    def keep(self) -> None:
        """Give a sign of life; enter the models again when they were forgotten meanwhile."""
        database = self._resources.database
        with database.begin() as session:
            kept = model_register.keep_registered(session, self._actor, now=database.now(session))
        if not kept:
            self.enter()

    def keep_on(self) -> None:
        """Give signs of life from now on, in a thread."""
        threading.Thread(target=self._keep_on, name="registration", daemon=True).start()

    def _keep_on(self) -> None:
        never = threading.Event()
        while not never.wait(SIGN_OF_LIFE_EVERY.total_seconds()):
            try:
                self.keep()
            except Temporary:
                logger.warning("no sign of life could be entered, later again")

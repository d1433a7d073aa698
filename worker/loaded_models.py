"""The models of this process: loaded once, on one device, entered in the node's register."""

from pathlib import Path

from dicom_node.database.model_register import RegisteredModel
from dicom_node.domain.finding import ModelIdentity
from dicom_node.errors import ConfigurationError
from models import catalog
from models.catalog import LoadedClassifier
from models.contract import ImageKind, ModelCard

_MODALITIES = {
    ImageKind.CHEST_RADIOGRAPH: frozenset({"CR", "DX"}),
    ImageKind.CHEST_CT: frozenset({"CT"}),
}


class LoadedModels:
    """Every installed model of one process and one device."""

    def __init__(self, weights_home: Path | None, device: str) -> None:
        self._classifiers = {
            _identity(card): catalog.load(card, device) for card in catalog.installed(weights_home)
        }
        if not self._classifiers:
            raise ConfigurationError("no model weights are installed: nothing could be analysed")

    def get(self, identity: ModelIdentity) -> LoadedClassifier:
        """Return the classifier.

        Raises
        ------
        ConfigurationError
            The study was promised to a model that this worker does not have.
        """
        try:
            return self._classifiers[identity]
        except KeyError:
            raise ConfigurationError(f"{identity} is not installed on this worker") from None

    def registered(self) -> list[RegisteredModel]:
        """Return what to enter in the node's register: the newest version of each name.

        Older versions stay loaded for studies that were promised to them before an upgrade.
        """
        newest: dict[str, LoadedClassifier] = {}
        for classifier in sorted(self._classifiers.values(), key=lambda one: _version(one.card)):
            newest[classifier.card.name] = classifier
        return [
            RegisteredModel(identity=_identity(one.card), modalities=_MODALITIES[one.card.kind])
            for one in newest.values()
        ]


def _version(card: ModelCard) -> tuple[int, ...]:
    return tuple(int(part) for part in card.version.split("."))


def _identity(card: ModelCard) -> ModelIdentity:
    return ModelIdentity(name=card.name, version=card.version, weights_sha256=card.weights_sha256)

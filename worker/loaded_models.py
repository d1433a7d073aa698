"""The models of this process: those that read studies here, loaded once, entered in the node's register."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from dicom_node.database.model_register import RegisteredModel
from dicom_node.domain.finding import ModelIdentity
from dicom_node.errors import ConfigurationError
from models import catalog
from models.catalog import LoadedClassifier
from models.contract import ImageKind, ModelCard
from models.defaults import DEFAULT_MODELS

_MODALITIES = {
    ImageKind.CHEST_RADIOGRAPH: frozenset({"CR", "DX"}),
    ImageKind.CHEST_CT: frozenset({"CT"}),
}


class LoadedModels:
    """The chosen models of one process and one device; others that are installed are loaded when promised."""

    def __init__(
        self, weights_home: Path | None, device: str, names: Sequence[str] = (), threads: int = 1
    ) -> None:
        self._device, self._threads = device, threads
        self._installed = {_identity(card): card for card in catalog.installed(weights_home)}
        self._chosen = chosen_cards(tuple(self._installed.values()), names)
        self._classifiers = {_identity(card): self._load(card) for card in self._chosen}

    def get(self, identity: ModelIdentity) -> LoadedClassifier:
        """Return the classifier; one that no longer reads new studies is loaded for those promised to it.

        Raises
        ------
        ConfigurationError
            The study was promised to a model that this worker does not have.
        """
        if identity not in self._installed:
            raise ConfigurationError(f"{identity} is not installed on this worker")
        if identity not in self._classifiers:
            self._classifiers[identity] = self._load(self._installed[identity])
        return self._classifiers[identity]

    def has(self, identity: ModelIdentity) -> bool:
        """Tell whether the model is installed here."""
        return identity in self._installed

    def load_named(self, identities: Iterable[ModelIdentity]) -> None:
        """Load what studies will be promised to, as far as it is installed, so that none waits for it."""
        for identity in identities:
            if identity in self._installed:
                self.get(identity)

    def registered(self) -> list[RegisteredModel]:
        """Return what to enter in the node's register: everything that is installed and may serve.

        Weights without a golden answer are not sealed, or of a network that must not serve. Chosen, that is
        reading where the routes name no model, is the newest version of each chosen name. Older versions
        stay loaded for studies that were promised to them before an upgrade.
        """
        newest = {card.name: card for card in sorted(self._chosen, key=_version)}
        return [
            RegisteredModel(
                identity=identity,
                modalities=_MODALITIES[card.kind],
                chosen=newest.get(card.name) is card,
            )
            for identity, card in self._installed.items()
            if card in self._chosen or card.golden is not None
        ]

    def _load(self, card: ModelCard) -> LoadedClassifier:
        return catalog.load(card, self._device, self._threads)


def chosen_cards(installed: Sequence[ModelCard], names: Sequence[str]) -> tuple[ModelCard, ...]:
    """Return every installed version of the named models; of the default ones where none is named.

    Raises
    ------
    ConfigurationError
        A named model is not installed, or no default one is.
    """
    known = {card.name for card in installed}
    wanted = set(names) or known.intersection(DEFAULT_MODELS.values())
    installed_names = ", ".join(sorted(known)) or "none"
    if unknown := wanted - known:
        raise ConfigurationError(
            f"no model called {min(unknown)!r} is installed; installed: {installed_names} (DICOM_NODE_MODELS)"
        )
    if not wanted:
        raise ConfigurationError(
            f"no default model is installed, so nothing could be analysed; installed: {installed_names}."
            " Name those that shall read studies in DICOM_NODE_MODELS"
        )
    return tuple(card for card in installed if card.name in wanted)


def _version(card: ModelCard) -> tuple[int, ...]:
    return tuple(int(part) for part in card.version.split("."))


def _identity(card: ModelCard) -> ModelIdentity:
    return ModelIdentity(name=card.name, version=card.version, weights_sha256=card.weights_sha256)

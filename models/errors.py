"""What can go wrong with a model, by name."""

from pathlib import Path


class ModelsError(Exception):
    """Root of every error that this package raises on purpose."""


class ManifestInvalid(ModelsError):
    """A model card or an image manifest does not say what it must."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class WeightsMissing(ModelsError):
    """No weights are installed where the catalogue looked."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no weights at {path}")
        self.path = path


class WeightsCorrupted(ModelsError):
    """The SHA-256 of weights or graph is not the one that the manifest promises."""

    def __init__(self, path: Path, *, expected: str, found: str) -> None:
        super().__init__(f"{path}: SHA-256 is {found}, the manifest says {expected}")
        self.path, self.expected, self.found = path, expected, found


class CardOutdated(ModelsError):
    """MODEL_CARD.md is missing, or is not what the manifest says."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is missing or not the manifest's")
        self.path = path


class AnswerChanged(ModelsError):
    """Weights that are intact answer the golden picture otherwise than the manifest promises."""

    def __init__(self, path: Path, *, label: str, expected: float, found: float) -> None:
        super().__init__(f"{path}: logit of {label} is {found:.5f}, the manifest says {expected:.5f}")
        self.path, self.label, self.expected, self.found = path, label, expected, found


class UnknownModel(ModelsError):
    """No network, recipe or installed model has this name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no model called {name!r}; known: {', '.join(known) or 'none'}")
        self.name, self.known = name, known


class MustNotServe(ModelsError):
    """The network reproduces code that couples patients: it may be measured, never answer for one."""

    def __init__(self, name: str, network: str) -> None:
        super().__init__(f"{name} must not serve: {network} is a reproduction, for measuring only")
        self.name, self.network = name, network


class NotExportable(ModelsError):
    """A network of which no graph can be written; it is served by torch."""


class UnbuildableNetwork(ModelsError):
    """A backbone or options from which no network can be built."""


class UnusableInput(ModelsError):
    """An array of a shape, dtype or range that a classifier does not read."""


class UnreadablePicture(ModelsError):
    """A picture that a manifest names is missing or broken."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class PackageMissing(ModelsError):
    """A measurement needs a package that this installation lacks."""

    def __init__(self, package: str, what_for: str) -> None:
        super().__init__(f"{what_for} needs {package}: install the extra 'train'")
        self.package = package


class NotComparable(ModelsError):
    """Two sets of answers are not of the same rows and labels."""


class DataMissing(ModelsError):
    """The folder of training images is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no image manifest at {path} (set DICOM_NODE_DATA_DIR or give --data)")
        self.path = path


class TrainingUnfinished(ModelsError):
    """A training has not come to the end of its schedule, so nothing may be shipped or compared from it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: the training is not finished; `models train` goes on with it")
        self.path = path


class CheckpointMismatch(ModelsError):
    """A checkpoint belongs to another recipe, split or seed than the one asked for."""

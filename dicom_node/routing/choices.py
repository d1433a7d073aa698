"""Rules that need no database: which models read a study, where results go."""

from collections.abc import Iterable, Mapping

from dicom_node.domain.finding import ModelIdentity
from dicom_node.settings import Settings


def models_for(
    modalities: Iterable[str], active_models: Mapping[ModelIdentity, frozenset[str]]
) -> tuple[ModelIdentity, ...]:
    """Return the models that read a study of these modalities, by name.

    Parameters
    ----------
    modalities
        Modality (0008,0060) of every series of the study.
    active_models
        The active version of every model, and the modalities it reads.
    """
    wanted = frozenset(modalities)
    fitting = [model for model, reads in active_models.items() if reads & wanted]
    return tuple(sorted(fitting, key=lambda model: (model.name, model.version)))


def destinations_for(settings: Settings) -> tuple[str, ...]:
    """Return where the results of an Analysis go, ``AE@host:port`` each; every Destination once."""
    return tuple(dict.fromkeys(settings.destinations))

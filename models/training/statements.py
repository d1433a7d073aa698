"""What a model's card says besides figures: its kind and its limits."""

from models.contract import ImageKind
from models.training.recipe import Recipe, Start

TARGET_LABEL = "covid19"
NORMAL_LABEL = "normal"

_FILM_LIMITS = (
    "Class and source coincide: COVID-19, tuberculosis and both pneumonias each come from "
    "their own collections. Part of every figure is recognition of the source; read the "
    "border baselines beside them.",
    "Bacterial and viral pneumonia were learnt from children only (Kermany, 1 to 5 years). Adult films "
    "with pneumonia (NIH) name no agent: they taught the model 'one of the two', not which.",
    "Only frontal films. No effusion, pneumothorax, nodule, heart failure or fracture was "
    "labelled; 'Normal' means none of the four diseases, not a healthy chest.",
    "Trained on JPEG copies of 224 to 340 pixels, and judged on such copies; DICOM films from"
    " a detector were not part of any figure here.",
)
_SLICE_LIMITS = (
    "Class and source coincide in part: 'Normal' comes from mosmed, brazil-cvt and luna16, "
    "'Not COVID-19' from covid19-ct-ucsd and sars-cov-2-ct-soares only. The two must not be "
    "told apart clinically by this model.",
    "Learnt from single slices rendered as JPEG with unknown, varying windows; DICOM slices "
    "are shown with the card's lung window. No figure here was measured on HU data.",
    "Labels hold for the patient, not for the slice; some 'COVID-19' slices show no lesion.",
    "The study's probability is the mean of the top tenth of its slices; its operating point "
    "was chosen on single slices, because no labelled whole volumes were available.",
    "sars-cov-2-ct-soares has no patient identifiers: its groups are blocks of neighbouring "
    "files and a patient may be on both sides of the split, which flatters its figures.",
    "Several sources state no licence or a non-commercial one; the weights are for research only.",
)
_BEGINNINGS = {
    Start.RANDOM: "Trained from random weights on few pictures: a set for comparison, not a tuned one.",
    Start.IMAGENET: "The second cosine of the schedule was added after validation figures of the first "
    "had been seen; nothing else was chosen by them.",
}


def kind_of(recipe: Recipe) -> ImageKind:
    """Return what a recipe's model reads: slices need a window, films have none."""
    return ImageKind.CHEST_CT if recipe.preprocessing.window else ImageKind.CHEST_RADIOGRAPH


def limits_of(recipe: Recipe, kind: ImageKind) -> tuple[str, ...]:
    """Return the limits that no figure shows."""
    match kind:
        case ImageKind.CHEST_RADIOGRAPH:
            return (*_FILM_LIMITS, _BEGINNINGS[recipe.start])
        case ImageKind.CHEST_CT:
            return (*_SLICE_LIMITS, _BEGINNINGS[recipe.start])

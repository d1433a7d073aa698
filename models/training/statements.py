"""What a recipe's card says besides figures: limits, and border baselines quoted from the data's notes."""

from models.contract import BorderBaseline, ImageKind
from models.training.recipe import CT, CXR


def _baseline(task: str, border_only: float, whole_thumbnail: float, chance: float) -> BorderBaseline:
    return BorderBaseline(task=task, border_only=border_only, whole_thumbnail=whole_thumbnail, chance=chance)


KINDS = {CXR.name: ImageKind.CHEST_RADIOGRAPH, CT.name: ImageKind.CHEST_CT}
TARGET_LABELS = {CXR.name: "covid19", CT.name: "covid19"}
NORMAL_LABEL = "normal"

BORDER_BASELINES = {
    CXR.name: (
        _baseline("tuberculosis vs normal (tb-rahman)", 0.886, 0.936, 0.5),
        _baseline("COVID-19 vs normal (nih-chestxray8)", 0.827, 0.874, 0.5),
        _baseline("bacterial / viral / normal (kermany)", 0.712, 0.750, 1 / 3),
    ),
    CT.name: (
        _baseline("COVID-19 vs not (sars-cov-2-ct-soares)", 0.693, 0.708, 0.5),
        _baseline("COVID-19 vs not (covid19-ct-ucsd)", 0.658, 0.716, 0.5),
        _baseline("COVID-19 vs normal (mosmed)", 0.588, 0.607, 0.5),
    ),
}

LIMITS = {
    CXR.name: (
        "Class and source coincide: COVID-19, tuberculosis and both pneumonias each come from "
        "their own collections. Part of every figure is recognition of the source; read the "
        "border baselines beside them.",
        "Bacterial and viral pneumonia were learnt from children only (Kermany, 1 to 5 years). An"
        " adult's pneumonia that is neither COVID-19 nor tuberculosis has no class of its own.",
        "Only frontal films. No effusion, pneumothorax, nodule, heart failure or fracture was "
        "labelled; 'Normal' means none of the four diseases, not a healthy chest.",
        "Trained on JPEG copies of 224 to 340 pixels, and judged on such copies; DICOM films from"
        " a detector were not part of any figure here.",
        "Trained for 76 minutes of wall time on shared CPU cores from random weights: a first honest "
        "set, not a tuned one. The schedule was annealed to that time, and its phases after 39 % were "
        "set while it ran, so a repetition gives other weights.",
        "External films are COVID-19 only, and many are missed; specificity elsewhere is unknown.",
        "An adult's pneumonia is usually called 'Normal' (see the labels without a class below): "
        "'Normal' must not be read as a healthy chest.",
        "On the Kermany films it is little better than a logistic regression on a thumbnail.",
        "The chest gate lets most films that stand upside down pass.",
    ),
    CT.name: (
        "Class and source coincide in part: 'Normal' comes from mosmed, brazil-cvt and luna16, "
        "'Not COVID-19' from covid19-ct-ucsd and sars-cov-2-ct-soares only. The two must not be "
        "told apart clinically by this model.",
        "Source by source it is not clearly better than a logistic regression on a thumbnail (see "
        "the baselines; those chose between two classes, this between three): do not rely on it.",
        "Normal slices are seldom called so; most are answered as one of the other two labels.",
        "Learnt from single slices rendered as JPEG with unknown, varying windows; DICOM slices "
        "are shown with the card's lung window. No figure here was measured on HU data.",
        "Labels hold for the patient, not for the slice; some 'COVID-19' slices show no lesion.",
        "The study's probability is the mean of the top tenth of its slices; its operating point "
        "was chosen on single slices, because no labelled whole volumes were available.",
        "sars-cov-2-ct-soares has no patient identifiers: its groups are blocks of neighbouring "
        "files and a patient may be on both sides of the split, which flatters its figures.",
        "There are no external rows: performance on another hospital's scanner is unknown.",
        "Several sources state no licence or a non-commercial one; the weights are for research only.",
        "Trained for 76 minutes of wall time on shared CPU cores from random weights: a first honest "
        "set, not a tuned one. The schedule was annealed to that time, and its phases after 39 % were "
        "set while it ran, so a repetition gives other weights.",
    ),
}

"""Which of the installed models reads a study where the operator has not said otherwise."""

from models.contract import ImageKind

DEFAULT_MODELS: dict[ImageKind, str] = {
    ImageKind.CHEST_RADIOGRAPH: "cxr-efficientnet-dspp-cid",
    ImageKind.CHEST_CT: "ct-efficientnet-dspp-cid",
}
"""One name a kind of image; the other models that ship are there to be compared with."""

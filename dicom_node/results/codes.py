"""Coded concepts of the outputs; each from the standard or a terminology, or declared as the node's own."""

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from dicom_node.domain.finding import Condition, Presence
from dicom_node.domain.worklist import ROUTINE, URGENT
from dicom_node.results.provenance import MANUFACTURER, SaliencyMethod

PRIVATE_SCHEME = "99DICOMNODE"  # PS3.16 8: private designators begin with 99

CONDITIONS = {
    # 18 digits: stands in Long Code Value (0008,0119)
    Condition.COVID19: CodedConcept("882784691000119100", "SCT", "Pneumonia caused by SARS-CoV-2"),
    Condition.PNEUMONIA_BACTERIAL: CodedConcept("53084003", "SCT", "Bacterial pneumonia"),
    Condition.PNEUMONIA_VIRAL: CodedConcept("75570004", "SCT", "Viral pneumonia"),
    Condition.TUBERCULOSIS: CodedConcept("154283005", "SCT", "Pulmonary tuberculosis"),
    # no pre-coordinated SNOMED CT concept says "anything but COVID-19, healthy lungs included"
    Condition.NON_COVID: CodedConcept("NON_COVID", PRIVATE_SCHEME, "Not COVID-19 (other or normal)"),
    Condition.NORMAL: CodedConcept("17621005", "SCT", "Normal"),  # CID 222
}

UNDETERMINED = CodedConcept("373068000", "SCT", "Undetermined")  # CID 240

PRESENCES = {
    Presence.PRESENT: CodedConcept("52101004", "SCT", "Present"),  # CID 240
    Presence.UNDETERMINED: CodedConcept("121059", "DCM", "Presence Undetermined"),
    Presence.ABSENT: CodedConcept("272519000", "SCT", "Absent"),  # CID 240
}

SALIENCY_METHODS = {  # CID 217
    SaliencyMethod.CLASS_ACTIVATION: CodedConcept("130402", "DCM", "Class activation"),
    SaliencyMethod.GRADIENT_WEIGHTED: CodedConcept("130403", "DCM", "Gradient-weighted class activation"),
}

CERTAINTY = CodedConcept("111012", "DCM", "Certainty of Finding")  # CID 6048
PERCENT = CodedConcept("%", "UCUM", "Percent")
PRESENCE_OF_PROPERTY = CodedConcept("121052", "DCM", "Presence of property")
BEST_ILLUSTRATION = CodedConcept("121080", "DCM", "Best illustration of finding")  # CID 7003
LUNG = CodedConcept("39607008", "SCT", "Lung")
CHEST = CodedConcept("816094009", "SCT", "Chest")  # CID 4031
ARTIFICIAL_INTELLIGENCE = CodedConcept("123110", "DCM", "Artificial Intelligence")  # CID 7162

QUALITATIVE_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500 row 12
IMPRESSION = CodedConcept("121073", "DCM", "Impression")
ACTIONABLE = CodedConcept("ACTCLS", PRIVATE_SCHEME, "Actionable finding classification")
PRIORITY = CodedConcept("260870009", "SCT", "Priority")
COMMENT = CodedConcept("121106", "DCM", "Comment")

ACR_CATEGORIES = {  # CID 7035
    1: CodedConcept("RID49480", "RADLEX", "ACR Category 1 Actionable Finding"),
    2: CodedConcept("RID49481", "RADLEX", "ACR Category 2 Actionable Finding"),
    3: CodedConcept("RID49482", "RADLEX", "ACR Category 3 Actionable Finding"),
}

CT_PROCEDURE = CodedConcept("25045-6", "LN", "CT unspecified body region")  # CID 100
IMAGING_PROCEDURE = CodedConcept("363679005", "SCT", "Imaging procedure")  # CID 100
RADIOGRAPHY_PROCEDURE = CodedConcept("43468-8", "LN", "XR unspecified body region")  # CID 100

SOURCE_IMAGE = CodedConcept("121322", "DCM", "Source image for image processing operation")  # CID 7202
PROCESSING_EQUIPMENT = CodedConcept("109102", "DCM", "Processing Equipment")  # CID 7005
SALIENCY_OVERLAY = CodedConcept("SALIENCYOVL", PRIVATE_SCHEME, "Class activation overlay on source image")


def worklist_priority(priority: int) -> CodedConcept:
    """Return the code of a priority 0..9: emergency up to 1, urgent before routine (after CID 3414)."""
    if priority < URGENT:
        return CodedConcept("25876001", "SCT", "Emergency")
    if priority < ROUTINE:
        return CodedConcept("103391001", "SCT", "Urgent")
    return CodedConcept("50811001", "SCT", "Routine")


def coding_schemes() -> list[CodingSchemeIdentificationItem]:
    """Return the items of Coding Scheme Identification Sequence (0008,0110), the private one too."""
    return [
        CodingSchemeIdentificationItem(
            "DCM",
            name="DICOM Controlled Terminology",
            registry="HL7",
            uid="1.2.840.10008.2.16.4",
        ),
        CodingSchemeIdentificationItem("SCT", name="SNOMED CT", registry="HL7", uid="2.16.840.1.113883.6.96"),
        CodingSchemeIdentificationItem(
            "UCUM", name="Unified Code for Units of Measure", registry="HL7", uid="2.16.840.1.113883.6.8"
        ),
        CodingSchemeIdentificationItem(
            PRIVATE_SCHEME,
            name="Class labels of dicom-node",
            version="1",
            responsible_organization=MANUFACTURER,
        ),
    ]

"""What a picture shows, in the words of the project's manifests."""

COVID19 = "covid19"
NON_COVID = "non_covid"
NORMAL = "normal"
BACTERIAL = "pneumonia_bacterial"
VIRAL = "pneumonia_viral"
UNSPECIFIED = "pneumonia_unspecified"
TUBERCULOSIS = "tuberculosis"
PNEUMONIA = "pneumonia"
NON_COVID_INFECTION = "non_covid_infection"

FIVE_CLASSES = (COVID19, BACTERIAL, VIRAL, TUBERCULOSIS, NORMAL)

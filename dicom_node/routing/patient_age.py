"""How old a patient was at the study, from what a header says."""

import re
from collections.abc import Mapping
from datetime import date

_AGE = re.compile(r"(\d{1,3})([DWMY])")
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")  # with dots: before 1993, PS3.5 Table 6.2-1
_IN_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


def age_in_years(header: Mapping[str, tuple[str, ...]], completed_on: date) -> tuple[float, str] | None:
    """Return the age and the attributes that it comes from; None when it is not known.

    Patient's Age (0010,1010), or else Patient's Birth Date (0010,0030) and Study Date (0008,0020), for want
    of which the day counts on which the study was complete.
    """
    said = _AGE.fullmatch(_first(header, "PatientAge").upper())
    if said is not None:
        return int(said[1]) / _IN_A_YEAR[said[2]], "PatientAge"
    born = _date_of(_first(header, "PatientBirthDate"))
    studied = _date_of(_first(header, "StudyDate"))
    on = studied or completed_on
    if born is None or born > on:
        return None
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    try:
        birthday = born.replace(year=born.year + years)
    except ValueError:  # born on 29 February
        birthday = date(born.year + years, 3, 1)
    since = max((on - birthday).days, 0)
    origin = "PatientBirthDate, StudyDate" if studied else "PatientBirthDate"
    return years + min(since / 365.25, 0.999), origin


def _first(header: Mapping[str, tuple[str, ...]], keyword: str) -> str:
    return next(iter(header.get(keyword, ())), "").strip()


def _date_of(text: str) -> date | None:
    written = _DATE.fullmatch(text)
    if written is None:
        return None
    try:
        return date(int(written[1]), int(written[2]), int(written[3]))
    except ValueError:
        return None

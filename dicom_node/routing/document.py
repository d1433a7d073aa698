"""The routes: Destinations and rules as one TOML document, checked before it is in force."""

import tomllib
from datetime import timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydicom.datadict import dictionary_VR, tag_for_keyword

from dicom_node.domain.delivery import Destination, Proof
from dicom_node.domain.routing import KEPT_VRS, ModelMode, RuleAction
from dicom_node.routing.expressions import check_expression
from dicom_node.settings import Duration, parse_destination

Patterns = tuple[str, ...]
"""Values that a clause takes; ``*`` and ``?`` stand for any text and any character, case is ignored."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _address(value: object) -> object:
    return parse_destination(value) if isinstance(value, str) else value


class _Delivering(_Strict):
    """What every kind of Destination may say of how it is served."""

    proof: Proof = Proof.NONE
    concurrency: int = Field(2, ge=1, le=64)
    """Deliveries at once."""
    verify_after: Duration = timedelta(seconds=1)
    """How long after DELIVERED the first proof is asked for."""
    verify_within: Duration = timedelta(minutes=10)
    """How long it may take until what was accepted counts as lost."""
    first_backoff: Duration | None = None
    """Where not the setting's."""
    longest_backoff: Duration | None = None
    give_up_after: Duration | None = None


class DicomTls(_Strict):
    """TLS of an association (PS3.15 B): who they must be, who we are."""

    ca_file: str
    certificate_file: str = ""
    key_file: str = ""
    server_name: str = ""
    """Where the certificate names another host than ``address`` does."""


class DicomDestination(_Delivering):
    """An Application Entity that takes C-STORE."""

    kind: Literal["dicom"] = "dicom"
    address: Annotated[Destination, BeforeValidator(_address)]
    """``AE@host:port``."""
    calling_ae_title: str = ""
    """Where not the node's own."""
    tls: DicomTls | None = None
    report_forms: tuple[Literal["comprehensive-3d", "comprehensive", "basic-text"], ...] = (
        "comprehensive-3d",
        "comprehensive",
        "basic-text",
    )
    """Storage SOP Classes of reports, most wanted first: the first that is negotiated goes out."""
    compress: tuple[Literal["htj2k", "j2k", "rle"], ...] = ()
    """Lossless Transfer Syntaxes for heat maps, most wanted first, where the peer takes one."""
    query_address: Annotated[Destination | None, BeforeValidator(_address)] = None
    """Where C-FIND goes, when not to ``address``."""


class HttpAuthentication(_Strict):
    """Secrets by file, never in the document itself, which is kept in the database."""

    token_file: str = ""
    user: str = ""
    password_file: str = ""
    ca_file: str = ""


class StowDestination(_Delivering):
    """A DICOMweb origin server that takes STOW-RS (PS3.18 10.5)."""

    kind: Literal["stow"]
    url: str = Field(pattern=r"^https?://")
    authentication: HttpAuthentication = HttpAuthentication()
    timeout: Duration = timedelta(seconds=60)


class FolderDestination(_Delivering):
    """A folder that Part 10 files are written into: ``<study>/<series>/<instance>.dcm``."""

    kind: Literal["folder"]
    path: str


class BucketDestination(_Delivering):
    """Any file system that fsspec knows: ``s3://bucket/prefix`` with its options."""

    kind: Literal["bucket"]
    url: str = Field(pattern=r"^[a-z0-9+]+://")
    options: dict[str, str | int | bool] = {}
    credentials_file: str = ""
    """JSON of further options, secrets among them."""


def _with_kind(value: object) -> object:
    return {"kind": "dicom", **value} if isinstance(value, dict) else value


DestinationProfile = Annotated[
    DicomDestination | StowDestination | FolderDestination | BucketDestination,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]


def _kept_keyword(value: str) -> str:
    tag = tag_for_keyword(value)
    if tag is None:
        raise ValueError(f"{value!r} is no DICOM keyword (PS3.6)")
    if dictionary_VR(tag) not in KEPT_VRS:
        raise ValueError(f"{value} is a sequence, bulk data or long text: headers are kept without those")
    return value


def _time_zone(value: str) -> str:
    try:
        return ZoneInfo(value).key if value else ""
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone that this system knows") from error


Expression = Annotated[str, AfterValidator(check_expression)]
Keyword = Annotated[str, AfterValidator(_kept_keyword)]
_HOUR = r"([01]\d|2[0-3]):[0-5]\d"


class MisplacedName(ValueError):
    """A name that does not fit the rest of the document; ``place`` says where it stands."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


class AgeRange(_Strict):
    """Patient's age at the study in years, both ends included: ``max = 17`` until the 18th birthday.

    No known age is outside.
    """

    min: float | None = Field(None, ge=0)
    max: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _has_an_end(self) -> "AgeRange":
        if self.min is None and self.max is None:
            raise ValueError("say min, max or both")
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError("max is less than min")
        return self


class When(_Strict):
    """The clauses of a rule: all of them must hold, an absent one holds always.

    Clauses about series (modality, SOP Class, body part, view, series description, institution, station and
    keywords) hold when one series fits all of those.
    """

    calling_ae: Patterns = ()
    modality: Patterns = ()
    sop_class: Patterns = ()
    """UIDs or keywords, e.g. ``CTImageStorage``."""
    body_part: Patterns = ()
    view: Patterns = ()
    study_description: Expression = ""
    """A regular expression, searched for, case ignored."""
    series_description: Expression = ""
    institution: Patterns = ()
    station: Patterns = ()
    """Station Name (0008,1010) or Performed Station AE Title (0040,0241)."""
    age: AgeRange | None = None
    priority: Patterns = ()
    """Requested Procedure Priority (0040,1003) or Study Priority ID (0032,000C)."""
    time: str = Field("", pattern=rf"^({_HOUR}-{_HOUR})?$")
    """Time of day at which the study is complete, ``22:00-06:00``: from the first, before the second."""
    keywords: dict[Keyword, Patterns] = {}
    """Any other DICOM keyword of the header."""


class ModelUse(_Strict):
    """A model that reads what the rule takes."""

    name: str
    version: str = ""
    """Empty: the version that is active in this installation."""
    weights_sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    """Pins the weights: others under the same version are refused."""
    mode: ModelMode = ModelMode.ACTIVE
    share: float = Field(1.0, ge=0, le=1)
    """Of the studies that a canary is ACTIVE for."""


class Then(_Strict):
    """What a rule does with the studies that it takes."""

    action: RuleAction = RuleAction.READ
    models: tuple[ModelUse, ...] | None = None
    """None: every active model that reads such images; an empty list: none."""
    destinations: tuple[str, ...] = ()
    forward: tuple[str, ...] = ()
    priority: int | None = Field(None, ge=0, le=9)
    deidentify: bool = False


class Rule(_Strict):
    """Clauses, and what they lead to."""

    name: str = Field(pattern=r"^[^\n]{1,64}$")
    when: When = When()
    then: Then = Then()


class Routes(_Strict):
    """The whole document."""

    match: Literal["first", "all"] = "first"
    """The first rule that holds decides alone, or all that hold decide together."""
    timezone: Annotated[str, AfterValidator(_time_zone)] = ""
    """Of ``time`` clauses, e.g. ``Europe/Berlin``; empty: the system's."""
    destinations: dict[str, DestinationProfile] = {}
    rules: tuple[Rule, ...] = ()
    default: Then = Then()
    """For what no rule takes."""

    @model_validator(mode="after")
    def _names_agree(self) -> "Routes":
        seen = {"default"}
        for number, rule in enumerate(self.rules):
            if rule.name in seen:
                raise MisplacedName(
                    f"rule names must differ, and from 'default': {rule.name}", "rules", number, "name"
                )
            seen.add(rule.name)
            self._check_destinations(f"rule {rule.name!r}", rule.then, "rules", number, "then")
        self._check_destinations("default", self.default, "default")
        return self

    def _check_destinations(self, who: str, then: Then, *place: str | int) -> None:
        for key, names in (("destinations", then.destinations), ("forward", then.forward)):
            unknown = sorted(set(names) - set(self.destinations))
            if unknown:
                raise MisplacedName(f"{who} names unknown destinations: {', '.join(unknown)}", *place, key)


def parse_routes(text: str) -> Routes:
    """Return the routes of a TOML document.

    Raises
    ------
    tomllib.TOMLDecodeError
        It is no TOML.
    pydantic.ValidationError
        It says something that routes do not have.
    """
    return Routes.model_validate(tomllib.loads(text))


def text_of_destinations(destinations: tuple[str, ...]) -> str:
    """Return the document that says what the setting ``destinations`` says: results go to all of them."""
    names = tuple(dict.fromkeys(destinations))
    tables = [f'[destinations."{name}"]\naddress = "{name}"\n' for name in names]
    listed = ", ".join(f'"{name}"' for name in names)
    return "\n".join([*tables, f"[default]\ndestinations = [{listed}]\n"])

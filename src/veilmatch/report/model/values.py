"""The enumerations of the interface, spelled as its schema spells them."""

from __future__ import annotations

import enum

from veilmatch.report.model.fields import Flag


class SchemaVersion(enum.Enum):
    """Which revision of the body's documentation a report is written for."""

    Y2025 = "2025"
    Y2026 = "2026"


class IncidentType(enum.Enum):
    """What a report is about; the first value is the statute's wording, not ours."""

    CSAM = "Child Pornography (possession, manufacture, and distribution)"
    TRAFFICKING = "Child Sex Trafficking"
    TOURISM = "Child Sex Tourism"
    MOLESTATION = "Child Sexual Molestation"
    MISLEADING_DOMAIN = "Misleading Domain Name"
    MISLEADING_CONTENT = "Misleading Words or Digital Images on the Internet"
    ENTICEMENT = "Online Enticement of Children for Sexual Acts"
    UNSOLICITED = "Unsolicited Obscene Material Sent to a Child"


class ReportAnnotation(Flag):
    """Flags of a report, in the schema's order."""

    SEXTORTION = "sextortion"
    CSAM_SOLICITATION = "csamSolicitation"
    MINOR_TO_MINOR = "minorToMinorInteraction"
    SPAM = "spam"
    SADISTIC = "sadisticOnlineExploitation"
    INFORMATIONAL = "informational"
    AGGRAVATING = "potentialAggravatingFactors"
    INSTRUMENTAL = "instrumentalUse"


ANNOTATIONS_OF_2026 = frozenset(
    {
        ReportAnnotation.INFORMATIONAL,
        ReportAnnotation.AGGRAVATING,
        ReportAnnotation.INSTRUMENTAL,
    }
)


class FileAnnotation(Flag):
    """Flags of a file, in the schema's order."""

    DRAWN = "animeDrawingVirtualHentai"
    POTENTIAL_MEME = "potentialMeme"
    VIRAL = "viral"
    SELF_PRODUCED = "possibleSelfProduction"
    PHYSICAL_HARM = "physicalHarm"
    VIOLENCE = "violenceGore"
    BESTIALITY = "bestiality"
    LIVE_STREAMING = "liveStreaming"
    INFANT = "infant"
    GENERATIVE_AI = "generativeAi"


class BatchReason(enum.Enum):
    """Why several incidents are one report."""

    VIRAL_MEME = "VIRAL_POTENTIAL_MEME"


class EventName(enum.Enum):
    """On what occasion an address or a device was recorded."""

    LOGIN = "Login"
    REGISTRATION = "Registration"
    PURCHASE = "Purchase"
    UPLOAD = "Upload"
    OTHER = "Other"
    UNKNOWN = "Unknown"


class AddressType(enum.Enum):
    """What a postal address is for."""

    HOME = "Home"
    BUSINESS = "Business"
    BILLING = "Billing"
    SHIPPING = "Shipping"
    TECHNICAL = "Technical"


class EmailType(enum.Enum):
    """What an e-mail address is for."""

    HOME = "Home"
    WORK = "Work"
    BUSINESS = "Business"
    RECOVERY = "Recovery"


class PhoneType(enum.Enum):
    """What a telephone number is for."""

    MOBILE = "Mobile"
    HOME = "Home"
    BUSINESS = "Business"
    WORK = "Work"
    FAX = "Fax"
    INTERNET = "Internet"
    RECOVERY = "Recovery"


class AssociatedAccountType(enum.Enum):
    """How another account belongs to a person."""

    BILLING = "Billing"
    LINKED = "Linked"
    BUSINESS = "Business"
    CREATOR = "Creator"
    GUARDIAN = "Parent/Guardian"
    OTHER = "Other"


class FileRelevance(enum.Enum):
    """Whether a file is the matter itself or background."""

    REPORTED = "Reported"
    SUPPLEMENTAL = "Supplemental Reported"


class IndustryClassification(enum.Enum):
    """The industry scale; only for members of the hash-sharing agreement."""

    A1 = "A1"
    A2 = "A2"
    B1 = "B1"
    B2 = "B2"


class DetailsType(enum.Enum):
    """What a list of name and value pairs holds."""

    EXIF = "EXIF"
    HASH = "HASH"

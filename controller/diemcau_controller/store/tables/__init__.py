"""What the controller remembers, by subject."""

from .base import Base, HealthBase, Json, Utc
from .certificates import Certificate
from .checks import CheckDay, FaultDay, Notice, SiteHour, Told
from .incidents import Incident, IncidentEntry, IncidentSite
from .installation import Installation, LaterBinding
from .meetings import (
    Attachment,
    Attendee,
    Hand,
    Heard,
    Invitation,
    Meeting,
    MeetingException,
    Occurrence,
    ReportNote,
    ReportRow,
)
from .people import AuditRow, LoginLink, User, UserSite, UserToken, WebSession
from .reports import ROOM, VERDICT, Desired, EventRow, HealthRow, Newest, Stream
from .second_factor import KeyChallenge, KeyShown, OpenidAccount, OpenidFlow, SecurityKey
from .sites import Area, Binding, Group, GroupMember, Site, Unit

__all__ = [
    "Area",
    "Attachment",
    "Attendee",
    "AuditRow",
    "Base",
    "Binding",
    "Certificate",
    "CheckDay",
    "Desired",
    "EventRow",
    "FaultDay",
    "Group",
    "GroupMember",
    "Hand",
    "Heard",
    "HealthBase",
    "HealthRow",
    "Incident",
    "IncidentEntry",
    "IncidentSite",
    "Installation",
    "Invitation",
    "Json",
    "KeyChallenge",
    "KeyShown",
    "LaterBinding",
    "LoginLink",
    "Meeting",
    "MeetingException",
    "Newest",
    "Notice",
    "Occurrence",
    "OpenidAccount",
    "OpenidFlow",
    "ReportNote",
    "ReportRow",
    "ROOM",
    "SecurityKey",
    "Site",
    "SiteHour",
    "Stream",
    "Told",
    "Unit",
    "User",
    "UserSite",
    "UserToken",
    "VERDICT",
    "Utc",
    "WebSession",
]

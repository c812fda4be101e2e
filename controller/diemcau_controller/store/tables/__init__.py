"""What the controller remembers, by subject."""

from .base import Base, HealthBase, Json, Utc
from .certificates import Certificate
from .checks import CheckDay, FaultDay, Notice, SiteHour, Told
from .incidents import Incident, IncidentEntry, IncidentSite
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
    "Invitation",
    "Json",
    "LoginLink",
    "Meeting",
    "MeetingException",
    "Newest",
    "Notice",
    "Occurrence",
    "ReportNote",
    "ReportRow",
    "ROOM",
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

"""What the controller remembers, by subject."""

from .base import Base, HealthBase, Json, Utc
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
from .reports import VERDICT, Desired, EventRow, HealthRow, Newest, Stream
from .sites import Area, Binding, Group, GroupMember, Site, Unit

__all__ = [
    "Area",
    "Attachment",
    "Attendee",
    "AuditRow",
    "Base",
    "Binding",
    "Desired",
    "EventRow",
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
    "Occurrence",
    "ReportNote",
    "ReportRow",
    "Site",
    "Stream",
    "Unit",
    "User",
    "UserSite",
    "UserToken",
    "VERDICT",
    "Utc",
    "WebSession",
]

"""What the controller remembers, by subject."""

from .base import Base, HealthBase, Json, Utc
from .certificates import Certificate
from .checks import CheckDay, FaultDay, Notice, SiteHour, Told
from .cuts import Cut
from .enrolment import Clone, Enrolment, Join, TryAlarm, Voucher, WorkOrder, WrongTry
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
from .reach import TunnelPort
from .releases import OfferedRelease
from .reports import ROOM, VERDICT, Desired, EventRow, HealthRow, Newest, Stream
from .rollouts import Freeze, Rollout, RolloutRun, RolloutTask, RolloutUnit, SiteRing
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
    "Clone",
    "Cut",
    "Desired",
    "Enrolment",
    "EventRow",
    "FaultDay",
    "Freeze",
    "Group",
    "GroupMember",
    "Hand",
    "HealthBase",
    "HealthRow",
    "Heard",
    "Incident",
    "IncidentEntry",
    "IncidentSite",
    "Installation",
    "Invitation",
    "Join",
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
    "OfferedRelease",
    "OpenidAccount",
    "OpenidFlow",
    "ReportNote",
    "ReportRow",
    "Rollout",
    "RolloutRun",
    "RolloutTask",
    "RolloutUnit",
    "ROOM",
    "SecurityKey",
    "Site",
    "SiteHour",
    "SiteRing",
    "Stream",
    "Told",
    "TryAlarm",
    "TunnelPort",
    "Unit",
    "User",
    "UserSite",
    "UserToken",
    "Utc",
    "VERDICT",
    "Voucher",
    "WebSession",
    "WorkOrder",
    "WrongTry",
]

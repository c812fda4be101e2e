"""What travels between units and the controller: topics and messages, and nothing else."""

from .parse import MAX_BYTES, Reason, Refused, address, decode, decode_as, encode
from .topics import Channel, Topic, TopicError, filters_of_controller, filters_of_unit, is_unit_id, topic

__all__ = [
    "MAX_BYTES",
    "Channel",
    "Reason",
    "Refused",
    "Topic",
    "TopicError",
    "address",
    "decode",
    "decode_as",
    "encode",
    "filters_of_controller",
    "filters_of_unit",
    "is_unit_id",
    "topic",
]

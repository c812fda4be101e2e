"""The Opus encoder: mono, 20 ms, in-band error correction."""

from __future__ import annotations

from fractions import Fraction

import av

from diemcau_agent.drivers.microphones import BLOCK, RATE_HZ, Block

TIME_BASE = Fraction(1, RATE_HZ)
_BITRATE_BPS = 28_000  # below 24 kb/s libopus puts no usable FEC in


class Encoder:
    """Encodes blocks of 960 samples, 48 kHz mono, to one packet each."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "w")
        codec.sample_rate = RATE_HZ
        codec.layout = "mono"
        codec.format = "s16"
        codec.bit_rate = _BITRATE_BPS
        codec.time_base = TIME_BASE
        codec.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": "10"}
        self._codec = codec
        self._samples = 0

    def encode(self, block: Block, pts: int) -> list[av.Packet]:
        """Encode one block that begins at `pts` (48 kHz)."""
        frame = av.AudioFrame.from_ndarray(block.reshape(1, BLOCK), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE_HZ, TIME_BASE, self._samples
        self._samples += BLOCK
        packets: list[av.Packet] = self._codec.encode(frame)
        for packet in packets:
            packet.pts, packet.time_base = pts, TIME_BASE
        return packets

"""A meeting from inside: publish, subscribe, follow the floor, report, until told to stop or at a fault."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict

import av
import numpy as np
from diemcau_wire.messages import Join

from diemcau_agent.ipc import Line

from .camera import CameraFeed
from .device import let_go
from .faults import Fault
from .follow import Follower
from .janus import Janus, JanusLost, JanusRefused
from .microphone import MicrophoneFeed
from .mixing import Mixer
from .orders import Floor, Start
from .pictures import Pictures
from .publish import Publication
from .slots import PICTURES, VOICES
from .watchdog import PictureWatch

log = logging.getLogger(__name__)

_WATCH_EVERY_S = 0.5
_STATS_EVERY_S = 1.0
_LEAVE_S = 1.5
_LET_GO_S = 4.0  # a driver that holds a stopped device longer is ended with its process


class Session:
    """One stay in one meeting. `tell` sends a line to the unit."""

    def __init__(self, start: Start, tell: Callable[[Line], None]) -> None:
        self._start, self._tell = start, tell
        self._camera = CameraFeed(start.camera, start.video, start.place, self)
        self._microphone = MicrophoneFeed(
            start.microphone.source,
            self,
            echo_cancellation=start.microphone.echo_cancellation,
            output=start.sound.output,
        )
        self._publication = Publication(start.site, self._camera.request_key_frame, self._publishers_changed)
        self._pictures = Pictures(PICTURES)
        self._mixer = Mixer(start.sound.output, VOICES, start.sound.volume_percent)
        self._watches = [PictureWatch() for _ in range(PICTURES)]
        self._camera_free, self._camera_stopped = asyncio.Event(), asyncio.Event()
        self._stop_camera(start.stopped)
        self._encoder = "none"
        self._floor: Floor | None = None
        self._janus: Janus | None = None
        self._follower: Follower | None = None

    def take_floor(self, floor: Floor) -> None:
        """The floor has moved, or the hall has muted or stopped. Before we have joined it is remembered."""
        self._floor = floor
        self._stop_camera(not floor.camera)
        self._camera.set_floor(floor.speaking)
        if self._follower is None:
            return
        me = self._start.site
        self._follower.follow(
            [site if site != me else None for site in floor.video], [s for s in floor.audio if s != me]
        )
        for slot, site in zip(self._pictures.slots, self._follower.pictures, strict=True):
            slot.assign(site)
        self._mixer.assign(self._follower.voices)
        self._microphone.set_open(floor.mic)

    def take_way_in(self, join: Join) -> None:
        """The room's PIN is another now. We are in already; it is for what is opened anew."""
        self._start = self._start.model_copy(update={"join": join})
        if self._follower is not None:
            self._follower.take_way_in(join)

    def _stop_camera(self, stopped: bool) -> None:
        closed, open_ = self._camera_stopped, self._camera_free
        (closed if stopped else open_).set()
        (open_ if stopped else closed).clear()

    def chime(self, seconds: float) -> None:
        """Sound the chime of an urgent meeting in the room for so long."""
        self._mixer.chime.sound(seconds)

    async def run(self) -> None:
        """Attend until cancelled. Raises exceptions that :func:`fault_in` understands."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pictures.hand_over(self._start.screen_socket), name="screen")
            tasks.create_task(self._mixer.run(), name="mixer")
            follower = await self._join(tasks)
            tasks.create_task(follower.run(), name="follower")
            tasks.create_task(self._microphone.run(), name="microphone")
            tasks.create_task(self._watch(follower), name="watchdog")
            tasks.create_task(self._report(), name="stats")

    async def _keep_camera(self) -> None:
        """Keep the camera running except while the hall has stopped it. Returns when there is none."""
        while True:
            await self._camera_free.wait()
            feed = asyncio.create_task(self._camera.run(), name="camera feed")
            stopping = asyncio.create_task(self._camera_stopped.wait(), name="camera stopped")
            try:
                await asyncio.wait({feed, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if feed.done():
                    return feed.result()
            finally:
                for task in (feed, stopping):
                    task.cancel()
                await asyncio.wait({feed, stopping})
            for device in ("camera", "microphone"):
                if not await let_go(device, _LET_GO_S):
                    raise Fault(
                        "internal", f"the {device} is held by its driver although the hall stopped it"
                    )

    async def leave(self) -> None:
        """Hang up properly, within 1.5 s."""
        try:
            async with asyncio.timeout(_LEAVE_S):
                if self._janus is not None and not self._janus.lost.done():
                    await self._janus.destroy(self._janus.session)
                if self._follower is not None:
                    await self._follower.close()
                await self._publication.close()
                if self._janus is not None:
                    await self._janus.aclose()
        except (TimeoutError, JanusLost, JanusRefused) as error:
            log.warning("leaving: %s", error or "took too long")

    # joining and its guards

    async def _join(self, tasks: asyncio.TaskGroup) -> Follower:
        began = asyncio.get_running_loop().time()
        start = self._start
        janus = self._janus = await Janus.connect(start.join.url, start.ca, start.line)
        self._tell({"type": "session", "id": janus.session})
        tasks.create_task(self._until_lost(janus), name="janus")
        publication = self._publication
        await publication.enter(janus, start.join, start.name, start.previous_session)
        tasks.create_task(self._until_hangup(publication), name="hangup")
        tasks.create_task(self._keep_camera(), name="camera")  # not before the room has let us in
        follower = Follower(janus, start.join, publication.publishers, self._on_picture, self._on_voice)
        self._follower = follower
        if self._floor is not None:
            self.take_floor(self._floor)
        async with asyncio.TaskGroup() as both:
            publishing = both.create_task(publication.publish(), name="publish")
            both.create_task(follower.open_early(), name="subscribe")
        await follower.open(publishing.result())
        self._tell({"type": "joined", "ms": round((asyncio.get_running_loop().time() - began) * 1000)})
        return follower

    @staticmethod
    async def _until_lost(janus: Janus) -> None:
        raise Fault("janus_lost", await asyncio.shield(janus.lost))

    @staticmethod
    async def _until_hangup(publication: Publication) -> None:
        raise Fault("no_media", f"Janus hung up: {await asyncio.shield(publication.hangup)}")

    async def _watch(self, follower: Follower) -> None:
        """Judge by function: pictures that come, and our own as Janus reports it."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            now = loop.time()
            if self._publication.uplink.lost(now, self._publication.last_sent):
                raise Fault("no_media", "Janus receives nothing of our picture")
            for index, (watch, slot) in enumerate(zip(self._watches, self._pictures.slots, strict=True)):
                if watch.look(now, follower.expects_picture(index), slot.last):
                    log.warning("no picture of %s", watch.site)
                    follower.rebuild()

    async def _report(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_STATS_EVERY_S)
            now = loop.time()
            self._tell(
                {
                    "type": "stats",
                    "video_out": {
                        "frames": self._publication.frames,
                        "key_frames": self._publication.key_frames,
                        "encoder": self._encoder,
                        **self._camera_stats(),
                    },
                    "slots": [
                        {
                            "site": slot.site,
                            "frames": slot.frames,
                            "age_ms": round((now - slot.last) * 1000) if slot.last is not None else None,
                        }
                        for slot in self._pictures.slots
                    ],
                    "audio": [
                        {"site": voice.site, "packets": voice.packets, "level_db": voice.level_db()}
                        for voice in self._mixer.voices
                        if voice.site is not None
                    ],
                    "mic": self._microphone.opened,
                    "microphone": {
                        "level_db": self._microphone.level_db(),
                        "muted": self._microphone.muted,
                        "echo_cancelled": self._microphone.echo_cancelled,
                    },
                    "sound": {
                        "working": self._mixer.working,
                        "lost": self._mixer.lost[:200],
                        "muted": self._mixer.muted,
                    },
                }
            )

    def _camera_stats(self) -> Line:
        """Which stream of the camera it is, and what was measured of it; nothing while none comes."""
        described = self._camera.describe()
        return {"stream": described[0], **asdict(described[1])} if described is not None else {}

    # what camera and microphone tell us

    def camera_opened(self, encoder: str) -> None:
        """Pictures come from the camera."""
        self._encoder = encoder
        self._tell({"type": "camera", "open": True, "encoder": encoder})

    def camera_changed(self, encoder: str) -> None:
        """The camera goes on with another stream, which is encoded here or is not."""
        self._encoder = encoder

    def camera_closed(self) -> None:
        """The camera has been let go."""
        self._tell({"type": "camera", "open": False, "encoder": self._encoder})

    def camera_lost(self, text: str) -> None:
        """Told to the unit; the camera feed goes on trying."""
        log.warning("camera lost: %s", text)
        self._tell({"type": "fault", "what": "camera_lost", "why": self._camera.why, "text": text})

    def access_unit(self, packet: av.Packet) -> None:
        """A coded picture to send."""
        self._publication.send_video(packet)

    def microphone_opened(self) -> None:
        """The room is heard."""
        self._tell({"type": "microphone", "open": True})

    def microphone_closed(self) -> None:
        """The room is not heard any more."""
        self._publication.silence()
        self._tell({"type": "microphone", "open": False})

    def microphone_lost(self, text: str) -> None:
        """Told to the unit; the microphone feed goes on trying."""
        log.warning("microphone lost: %s", text)
        self._tell({"type": "fault", "what": "microphone_lost", "why": self._microphone.why, "text": text})

    def sound(self, packet: av.Packet) -> None:
        """A coded 20 ms of sound to send."""
        self._publication.send_audio(packet)

    # what comes from the room

    def _publishers_changed(self, gone: set[str]) -> None:
        if self._follower is not None:
            self._follower.publishers_changed(gone)

    def _on_picture(self, index: int, frame: av.VideoFrame) -> None:
        self._pictures.slots[index].show(frame, asyncio.get_running_loop().time())

    def _on_voice(self, index: int, frame: av.AudioFrame) -> None:
        samples = frame.to_ndarray()[0]
        if frame.layout.nb_channels == 2:  # aiortc decodes to interleaved stereo, both sides the same
            samples = samples[::2]
        self._mixer.voices[index].push(np.ascontiguousarray(samples, dtype=np.int16), frame.pts)

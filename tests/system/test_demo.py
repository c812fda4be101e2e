"""`diemcau demo --once --json` through its public flags: that it succeeds, and that it can fail."""

import html
import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from diemcau_agent.drivers.synthetic import SyntheticCamera
from diemcau_controller.namespace import ADDRESS
from diemcau_wire.messages import SiteInfo, Video

from tests.lab.onvif_peer import OnvifPeer, Stream

from .hall_senses import ask_unit
from .rtsp_camera import RtspCamera

SITES = ["trung-tam", "xa-ea-kpam", "xa-cu-mgar"]
BIN = Path(sys.executable).parent


class Demo:
    """A running demonstration."""

    def __init__(self, state: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.state = state
        self.log = state.parent / f"{state.name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(BIN / "diemcau"), "demo", "--state-dir", str(state), *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=state.parent,
                env=env,
            )

    def unit(self, site: str) -> dict[str, Any] | None:
        status = ask_unit(self.state / "units" / site, {"type": "status"})
        return status if "session" in status else None

    def until(self, what: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.5)

    def outcome(self) -> tuple[int, dict[str, Any]]:
        """Exit code and the JSON object in the last line."""
        out, _ = self.process.communicate(timeout=240)
        result = json.loads(out.splitlines()[-1])
        print(json.dumps(result, ensure_ascii=False, indent=1), self.log.read_text())
        return self.process.returncode, result


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    made: list[Demo] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> Demo:
        made.append(Demo(tmp_path / "demo", *arguments, env=env))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.terminate()
            one.process.wait(20)
        assert not left_running(one.state), "something is left running"


def left_running(state: Path) -> list[str]:
    """Command lines of processes that name the state folder."""
    lines = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if str(state) in line:
            lines.append(line)
    return lines


def wav(path: Path, sound: "np.ndarray[Any, Any]") -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((np.asarray(sound) * 32767).astype("<i2").tobytes())
    return path


def talk(seconds: int = 6) -> "np.ndarray[Any, Any]":
    """Syllables of changing pitch and loudness."""
    random = np.random.default_rng(7)
    at = np.arange(3200) / 16000
    pieces = []
    for _ in range(seconds * 5):
        pitch, loud = random.uniform(120, 600), random.choice([0.0, 0.03, 0.1])
        pieces.append(loud * sum(np.sin(2 * np.pi * pitch * n * at) / n for n in range(1, 6)))
    return np.concatenate(pieces)


def still(path: Path, site: str) -> Path:
    """A second of video in which nothing moves, not even the clock in the site's own code."""
    picture = SyntheticCamera(
        Video(width=640, height=360, fps=15), SiteInfo(id=site, name="Hội trường xã Ea Kpam")
    ).draw(time.time_ns() // 1_000_000)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for count in range(15):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = count
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


@pytest.mark.namespace
def test_three_halls_meet_one_with_a_microphone_and_one_with_a_camera_of_its_own(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    """The whole demonstration; a given sound is recognised by its content, and a camera is taken.

    On a machine with a network, for all it knows: it must not move where the camera cannot be reached. The
    camera is asked by ONVIF where its streams are; its hall listens to the one and speaks with the other.
    """
    sound = wav(tmp_path / "talk.wav", talk())
    machine = {name: value for name, value in os.environ.items() if name != "DIEMCAU_NAMESPACE"}
    with RtspCamera("xa-ea-kpam", "Hội trường xã Ea Kpam", 8562) as camera:
        both = {"main": Stream(camera.url, 640, 360), "small": Stream(camera.url, 320, 180)}
        with OnvifPeer(ADDRESS, 8563, "admin", "một hai ba", both) as peer:
            own = ("--mic", f"xa-cu-mgar={sound}", "--camera", f"xa-ea-kpam={peer.source}")
            code, result = demo("--once", "--json", *own, env=machine).outcome()
    assert (code, result["ok"], result["blame"], result["problems"]) == (0, True, [], [])
    assert peer.calls.count("GetStreamUri") >= 2 and not peer.refused
    assert list(result["sites"]) == SITES
    for id, site in result["sites"].items():
        others = [other for other in SITES if other != id]
        assert site["joined"] and site["left"] and 0 < site["join_ms"] < 20_000
        assert site["seen"] == others and site["heard"] == others
        assert site["frames_shown"] > 50
        assert Path(site["screen_png"]).read_bytes().startswith(b"\x89PNG")
    assert json.loads(Path(result["report"]).read_text())["final"] is True
    assert result["seconds"] < 240


def test_a_frozen_camera_and_a_silent_microphone_are_found_out(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    """Each where it is; who cannot be heard is seen, and who cannot be seen is heard."""
    video, sound = still(tmp_path / "still.mp4", "xa-ea-kpam"), wav(tmp_path / "silent.wav", np.zeros(16000))
    faults = ("--camera", f"xa-ea-kpam=file:{video}", "--mic", f"xa-cu-mgar={sound}")
    code, result = demo("--once", "--json", *faults).outcome()
    assert (code, result["ok"], result["blame"]) == (1, False, ["xa-ea-kpam", "xa-cu-mgar"])
    assert {id: (site["seen"], site["heard"]) for id, site in result["sites"].items()} == {
        "trung-tam": (["xa-cu-mgar"], ["xa-ea-kpam"]),
        "xa-ea-kpam": (["trung-tam", "xa-cu-mgar"], ["trung-tam"]),
        "xa-cu-mgar": (["trung-tam"], ["trung-tam", "xa-ea-kpam"]),
    }
    assert all(site["joined"] and site["left"] for site in result["sites"].values())
    frozen, silent = result["problems"][:2], result["problems"][2:]
    assert all("Ea Kpam was not seen at" in one and "stood still" in one for one in frozen), frozen
    assert len(silent) == 2 and all("Cư M'gar was not heard at" in one for one in silent), silent


def test_a_killed_unit_is_found_out(demo: Callable[..., Demo]) -> None:
    running = demo("--once", "--json", "--no-restart", "xa-ea-kpam")

    def meets() -> bool:
        status = running.unit("xa-ea-kpam")
        return status is not None and status["session"]["state"] == "in_meeting"

    running.until(meets, 90)
    status = running.unit("xa-ea-kpam")
    assert status is not None
    os.kill(next(one["pid"] for one in status["processes"] if one["role"] == "unit"), signal.SIGKILL)
    code, result = running.outcome()
    assert (code, result["ok"], result["blame"]) == (1, False, ["xa-ea-kpam"])
    assert result["sites"]["xa-cu-mgar"]["seen"] == result["sites"]["xa-cu-mgar"]["heard"] == ["trung-tam"]
    assert result["sites"]["xa-ea-kpam"]["left"] is False


def test_left_alone_the_meeting_runs_to_its_end(demo: Callable[..., Demo]) -> None:
    running = demo("--starts-in", "2", "--lasts", "60")
    running.until(lambda: "đang họp" in running.log.read_text(), 120)
    running.until(lambda: "đã kết thúc – báo cáo: " in running.log.read_text(), 150)
    said = running.log.read_text().splitlines()
    last = next(line for line in reversed(said) if "đã kết thúc – báo cáo: " in line)
    assert last.count("đã rời") == len(SITES), last
    report = Path(last.partition("báo cáo: ")[2].partition(" | ")[0])
    for name in ("Trung tâm", "Ea Kpam", "Cư M'gar"):
        assert name in html.unescape(report.read_text(encoding="utf-8"))
    assert any("phát biểu" in line for line in said)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(15) == 0
    assert str(report) in running.log.read_text().splitlines()[-1]


def test_ctrl_c_ends_everything(demo: Callable[..., Demo]) -> None:
    running = demo()
    running.until(lambda: all(running.unit(site) for site in SITES), 60)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(15) == 0
    assert not left_running(running.state)


def test_a_killed_demo_leaves_nothing_running(demo: Callable[..., Demo]) -> None:
    running = demo()
    running.until(lambda: all(running.unit(site) for site in SITES), 60)
    running.process.kill()
    running.process.wait()
    deadline = time.monotonic() + 5
    while left_running(running.state) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left_running(running.state)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--camera", "xa-nao-do=synthetic"), 2, "there is no site"),
        (("--camera", "trung-tam=ftp://x"), 2, "is no camera"),
        (("--mic", "trung-tam=/no/such/file.wav"), 2, "there is no file"),
        (("--no-restart", "xa-nao-do"), 2, "there is no site"),
    ],
)
def test_wrong_usage(demo: Callable[..., Demo], arguments: tuple[str, ...], code: int, says: str) -> None:
    running = demo("--once", *arguments)
    assert running.process.wait(20) == code
    assert says in running.log.read_text()


def test_a_folder_of_somebody_else_is_left_alone(demo: Callable[..., Demo], tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/thesis.txt").write_text("years of work")
    running = demo("--once")
    assert running.process.wait(20) == 1
    assert "something that is not a demonstration's" in running.log.read_text()
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["thesis.txt"]


def test_where_namespaces_are_forbidden_the_machines_own_address_serves(tmp_path: Path) -> None:
    """Some systems let a process make a namespace and then do nothing in it; `ip` fails there."""
    ip = tmp_path / "ip"
    ip.write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
    ip.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    env.pop("DIEMCAU_NAMESPACE", None)
    code = (
        "from diemcau_controller.demo.network import *; n = set_up(); print(n.address, n.page_url, n.remark)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    address, url, remark = done.stdout.strip().split(" ", 2)
    assert address == ADDRESS and url.startswith("https://127.0.0.1:"), done.stderr
    assert "Operation not permitted" in remark and ADDRESS in remark

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

SITES = ["trung-tam", "xa-ea-kpam", "xa-cu-mgar"]
BIN = Path(sys.executable).parent


class Demo:
    """A running demonstration."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self.state = state
        self.log = state.parent / f"{state.name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(BIN / "diemcau"), "demo", "--state-dir", str(state), *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=state.parent,
            )

    def unit(self, site: str) -> dict[str, Any] | None:
        done = subprocess.run(
            [str(BIN / "diemcau-agent"), "status", "--json", "--state-dir", str(self.state / "units" / site)],
            capture_output=True,
            text=True,
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

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

    def start(*arguments: str) -> Demo:
        made.append(Demo(tmp_path / "demo", *arguments))
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


def test_three_halls_meet_one_with_a_microphone_of_its_own(demo: Callable[..., Demo], tmp_path: Path) -> None:
    """The whole demonstration; and a given sound is recognised by its content."""
    sound = wav(tmp_path / "talk.wav", talk())
    code, result = demo("--once", "--json", "--mic", f"xa-cu-mgar={sound}").outcome()
    assert (code, result["ok"], result["blame"], result["problems"]) == (0, True, [], [])
    assert list(result["sites"]) == SITES
    for id, site in result["sites"].items():
        others = [other for other in SITES if other != id]
        assert site["joined"] and site["left"] and 0 < site["join_ms"] < 20_000
        assert site["seen"] == others and site["heard"] == others
        assert site["frames_shown"] > 50
        assert Path(site["screen_png"]).read_bytes().startswith(b"\x89PNG")
    assert json.loads(Path(result["report"]).read_text())["final"] is True
    assert result["seconds"] < 240


def test_a_frozen_camera_is_found_out(demo: Callable[..., Demo], tmp_path: Path) -> None:
    video = still(tmp_path / "still.mp4", "xa-ea-kpam")
    code, result = demo("--once", "--json", "--camera", f"xa-ea-kpam=file:{video}").outcome()
    assert (code, result["ok"], result["blame"]) == (1, False, ["xa-ea-kpam"])
    assert result["sites"]["trung-tam"]["seen"] == ["xa-cu-mgar"]
    assert result["sites"]["trung-tam"]["heard"] == ["xa-ea-kpam", "xa-cu-mgar"]


def test_a_silent_microphone_is_found_out(demo: Callable[..., Demo], tmp_path: Path) -> None:
    sound = wav(tmp_path / "silent.wav", np.zeros(16000))
    code, result = demo("--once", "--json", "--mic", f"xa-cu-mgar={sound}").outcome()
    assert (code, result["ok"], result["blame"]) == (1, False, ["xa-cu-mgar"])
    assert result["sites"]["xa-ea-kpam"]["seen"] == ["trung-tam", "xa-cu-mgar"]
    assert result["sites"]["xa-ea-kpam"]["heard"] == ["trung-tam"]


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
    running = demo("--starts-in", "20", "--lasts", "60")
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

"""What the views put where, with the real faces' measures and no screen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from diemcau_agent.ipc import Garbage
from diemcau_agent.screen.canvas import Canvas
from diemcau_agent.screen.elements import Box, Code, Drawing, Hole, Rect, Scene, Sign, Text
from diemcau_agent.screen.gallery import COMMON, NOW, VIEWS, draw_all
from diemcau_agent.screen.show import parse_show
from diemcau_agent.screen.theme import FONTS, LIVE
from diemcau_agent.screen.views import compose
from diemcau_agent.screen.views.fault import drawing
from diemcau_agent.screen.words import words

SIZES = [(1280, 720), (1920, 1080), (640, 360), (1024, 768)]


@pytest.fixture(scope="module")
def canvas() -> Iterator[Canvas]:
    made = Canvas(1280, 720)
    yield made
    made.close()


@pytest.fixture
def scene_of(canvas: Canvas) -> Any:
    def make(
        name: str,
        *,
        size: tuple[int, int] = (1280, 720),
        live: tuple[bool, ...] = (True, True),
        now: datetime = NOW,
        **changes: Any,
    ) -> Scene:
        show = parse_show({**COMMON, **VIEWS[name], **changes})
        return compose(show, now, live, width=size[0], height=size[1], measure=canvas.measure)

    return make


def texts(scene: Scene) -> list[str]:
    return [element.text for element in scene if isinstance(element, Text)]


def said(scene: Scene) -> str:
    return " ".join(texts(scene))


def holes(scene: Scene) -> dict[int, Rect]:
    return {element.slot: element.rect for element in scene if isinstance(element, Hole)}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_nothing_leaves_the_screen_nor_covers_another_text(
    scene_of: Any, canvas: Canvas, name: str, size: tuple[int, int]
) -> None:
    boxes = []
    for text in scene_of(name, size=size):
        if not isinstance(text, Text) or not text.text:
            continue
        right, bottom = text.x + canvas.measure(text.text, text.face, text.size), text.y + 1.36 * text.size
        assert text.x >= 0 and text.y >= -2 and right <= size[0] and bottom <= size[1] + 2, text
        boxes.append((text.x, text.y + 0.2 * text.size, right, bottom - 0.2 * text.size, text.text))
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


NOWHERE = {name for name, show in VIEWS.items() if "site" in show and show["site"] is None}


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - NOWHERE - {"idle-long", "fault-long"}))
def test_site_and_clock_are_always_in_the_same_place(scene_of: Any, name: str) -> None:
    (clock,) = [e for e in scene_of(name) if isinstance(e, Text) and e.text == "07:48"]
    (site,) = [e for e in scene_of(name) if isinstance(e, Text) and e.text == "Xã Ea M'Droh" and e.y < 60]
    assert (site.x, clock.size) == (24, 44) and clock.x > 1100


def test_the_first_picture_is_large_the_second_beside_it(scene_of: Any) -> None:
    places = holes(scene_of("meeting-two"))
    assert places[0].w > 2 * places[1].w and places[0].w * 9 // 16 == pytest.approx(places[0].h, abs=1)
    assert places[1].x > places[0].x + places[0].w


@pytest.mark.parametrize("slot", [0, 1])
def test_one_picture_has_the_whole_place_whatever_its_slot(scene_of: Any, slot: int) -> None:
    meeting = {**VIEWS["meeting-one"]["meeting"]}
    meeting["slots"] = [None] * slot + meeting["slots"]
    places = holes(scene_of("meeting-one", meeting=meeting))
    assert list(places) == [slot] and places[slot].w > 900


def test_a_slot_without_a_live_picture_says_so(scene_of: Any) -> None:
    scene = scene_of("meeting-two", live=(False, True))
    assert list(holes(scene)) == [1]
    assert "Tạm thời chưa có hình" in said(scene)
    assert holes(scene_of("meeting-two", live=())) == {}


def test_the_speaker_is_marked_once_with_colour_sign_and_word(scene_of: Any) -> None:
    scene = scene_of("meeting-two")
    assert [e.sign for e in scene if isinstance(e, Drawing)].count(Sign.SPEAKING) == 1
    assert texts(scene).count("Đang phát biểu") == 1
    assert "Quý vị đang phát biểu" in said(scene_of("meeting-mic-open"))


@pytest.mark.parametrize("name", ["meeting-two", "meeting-mic-open", "reconnecting", "countdown-seconds"])
def test_the_band_says_what_is_live_always_in_the_same_place(scene_of: Any, name: str) -> None:
    scene = scene_of(name)
    open_ = name == "meeting-mic-open"
    word = "Micrô đang MỞ — mọi người nghe thấy phòng này" if open_ else "Micrô đang tắt"
    (text,) = [e for e in scene if isinstance(e, Text) and e.text == word]
    (sign,) = [e for e in scene if isinstance(e, Drawing) and e.sign in (Sign.MIC_OPEN, Sign.MIC_CLOSED)]
    assert (sign.x, sign.y, text.x) == (24, 663, 82)
    assert sign.sign is (Sign.MIC_OPEN if open_ else Sign.MIC_CLOSED)
    assert any(isinstance(e, Box) and e.colour == LIVE for e in scene) is open_
    assert "Camera đang BẬT" in texts(scene)


def test_readiness_and_its_one_instruction(scene_of: Any) -> None:
    scene = scene_of("idle-not-ready")
    assert "Chưa sẵn sàng" in texts(scene) and "Cắm lại dây camera" in said(scene)
    assert Sign.NOT_READY in [e.sign for e in scene if isinstance(e, Drawing)]
    assert {"0905 123 456", "Nguyễn Hữu Nghĩa"} <= set(texts(scene))
    assert "0905 123 456 · Nguyễn Hữu Nghĩa" in texts(scene_of("idle-remark"))
    assert "Đường truyền: mất kết nối" in texts(scene)


def test_whom_to_call_about_a_fault_may_be_somebody_else(scene_of: Any) -> None:
    assert "0262 3 812 345" in texts(scene_of("fault-whom"))
    assert "0905 123 456" not in said(scene_of("fault-whom"))
    nameless = scene_of("fault-whom", readiness={"verdict": "not_ready", "instruction": "hot", "whom": {}})
    assert "0905 123 456" in texts(nameless)


def test_every_fault_has_a_picture_of_what_to_do(scene_of: Any) -> None:
    for key in words("vi").texts:
        if key.startswith("instruction."):
            assert drawing(key.removeprefix("instruction.")).value.startswith("do_")
    assert drawing("of next year") is Sign.DO_CALL


def test_a_meeting_that_is_near_is_said_beside_the_fault(scene_of: Any) -> None:
    assert "Cuộc họp bắt đầu sau 12 phút" in texts(scene_of("fault-countdown"))
    in_meeting = scene_of("meeting-two", readiness={"verdict": "not_ready", "instruction": "hot"})
    assert "Chưa sẵn sàng" not in said(in_meeting) and len(holes(in_meeting)) == 2


def test_what_opens_is_announced_until_it_does(scene_of: Any) -> None:
    assert {"Camera và micrô sẽ bật sau", "5 giây"} <= set(texts(scene_of("notice")))
    later = NOW + timedelta(seconds=4.2)
    assert "1 giây" in texts(scene_of("notice", now=later))
    assert "sẽ bật sau" not in said(scene_of("notice", now=NOW + timedelta(seconds=5)))
    assert "sẽ bật sau" not in said(scene_of("notice", now=NOW - timedelta(minutes=5)))
    assert "sẽ bật sau" not in said(scene_of("meeting-two", privacy=VIEWS["notice"]["privacy"]))
    assert "Camera sẽ bật sau" in texts(scene_of("notice-phone"))


def test_a_check_says_what_it_looks_at_and_how_to_put_it_off(scene_of: Any) -> None:
    assert "Loa sẽ phát một tiếng thử ngắn" in texts(scene_of("checking-postpone"))
    assert "Bấm phím 6 để hoãn kiểm tra" in said(scene_of("checking-postpone"))
    assert "Quét mã để hoãn kiểm tra" in said(scene_of("checking-phone"))
    assert "Hoãn" not in said(scene_of("checking"))
    unheard = {"verdict": "checking", "checking_what": "coffee machine"}
    assert "Đang kiểm tra thiết bị…" in texts(scene_of("checking", readiness=unheard))


@pytest.mark.parametrize("name", ["checking", "checking-countdown", "idle"])
def test_the_band_is_driven_by_the_opening_itself(scene_of: Any, name: str) -> None:
    for camera, microphone in itertools.product((True, False), repeat=2):
        scene = scene_of(name, privacy={"camera": camera, "microphone": microphone})
        assert ("Camera đang BẬT" in texts(scene)) is camera
        assert ("Micrô đang MỞ để kiểm tra thiết bị" in texts(scene)) is microphone
        assert any(isinstance(e, Box) and e.colour == LIVE for e in scene) is microphone


def test_what_the_hall_shut_is_said_all_the_time(scene_of: Any) -> None:
    for view in ("meeting-two", "reconnecting", "countdown"):
        assert "Micrô đã TẮT tại phòng này" in texts(scene_of(view, privacy={"muted": True}))
        meeting = {**VIEWS["meeting-stopped"]["meeting"]}
        stopped = scene_of(view, privacy={"stopped": True}, meeting=meeting)
        assert "Camera và micrô đã TẮT tại phòng này" in texts(stopped)
    still_open = scene_of("meeting-stopped", privacy={"stopped": True, "camera": True})
    assert "Camera đang BẬT" in texts(still_open), "it says what is, not what was asked for"
    assert "Bấm phím 2 (micrô) để phát biểu" in texts(scene_of("meeting-muted"))


def test_a_raised_hand_is_seen_until_the_hall_speaks(scene_of: Any) -> None:
    assert "Đã đăng ký phát biểu" in texts(scene_of("meeting-hand"))
    assert "Đã đăng ký phát biểu" not in texts(scene_of("meeting-mic-open", hand=True))


def test_idle_says_when_the_next_meeting_is(scene_of: Any) -> None:
    assert {"Cuộc họp tiếp theo", "08:00 hôm nay"} <= set(texts(scene_of("idle")))
    assert "Chưa có lịch họp" in texts(scene_of("idle-none"))


def test_the_countdown_follows_the_clock(scene_of: Any) -> None:
    start = datetime(2026, 3, 12, 1, tzinfo=UTC)
    for left_s, large in ((12 * 60, "12 phút"), (59, "59 giây"), (0, "Đang kết nối…")):
        assert large in texts(scene_of("countdown", now=start - timedelta(seconds=left_s)))
    assert "Đang kết nối…" in texts(scene_of("countdown", next=None))


@pytest.mark.parametrize("name", sorted(NOWHERE))
def test_a_box_without_a_site_has_its_number_in_that_place(scene_of: Any, name: str) -> None:
    scene = scene_of(name)
    (clock,) = [e for e in scene if isinstance(e, Text) and e.text == "07:48"]
    (number,) = [e for e in scene if isinstance(e, Text) and "DC-2041-0177" in e.text]
    assert clock.size == 44 and clock.x > 1100 and number.y < 60


def test_the_code_is_told_in_threes_and_as_a_code_to_scan(scene_of: Any) -> None:
    scene = scene_of("enrolling-code")
    (digits,) = [e for e in scene if isinstance(e, Text) and e.text == "407 913 526"]
    assert digits.size >= 100, "to be read out from the last row"
    assert [e.address for e in scene if isinstance(e, Code)] == ["https://198.51.100.11:8443/e#407913526"]
    assert "Mã dùng được đến 08:03" in said(scene)
    assert "Phiếu lắp đặt đã hết hạn" in said(scene_of("enrolling-code-voucher"))


def test_every_step_says_how_it_stands_by_sign_and_word(scene_of: Any) -> None:
    said_of = texts(scene_of("enrolling-unreachable"))
    assert [said_of.count(word) for word in ("Đã xong", "Chưa được", "Chưa đến lượt")] == [1, 2, 5]
    signs = [e.sign for e in scene_of("enrolling-unreachable") if isinstance(e, Drawing)]
    assert signs.count(Sign.READY) == 1 and signs.count(Sign.NOT_READY) == 2
    assert texts(scene_of("enrolling-ready")).count("Đã xong") == 7


@pytest.mark.parametrize("language", ["vi", "en"])
def test_whatever_fails_is_a_whole_sentence_that_says_what_to_do(scene_of: Any, language: str) -> None:
    long = {"where": "https://hop.quang-ngai.example:8443", "line": "12"}
    for key in words(language).texts:
        if key.startswith("enrolling_why."):
            way = {**VIEWS["enrolling-unreachable"]["enrolling"], **long, "why": key.split(".")[1]}
            scene = scene_of("enrolling-unreachable", enrolling=way, language=language)
            assert "…" not in said(scene).replace("Đang làm…", ""), key
    unheard = {**VIEWS["enrolling-unreachable"]["enrolling"], "why": "of_next_year"}
    assert words("vi")("enrolling_why.other") in said(scene_of("enrolling-unreachable", enrolling=unheard))


def test_what_the_camera_looks_for_is_said_before_and_while_it_is_open(scene_of: Any) -> None:
    before = scene_of("enrolling-notice")
    assert {"Camera sẽ bật sau", "5 giây"} <= set(texts(before))
    assert "mã QR trên phiếu lắp đặt" in said(before)
    assert "Camera đang BẬT" in texts(scene_of("enrolling-camera"))


def test_a_clock_that_is_known_to_be_wrong_is_not_shown(scene_of: Any) -> None:
    show = parse_show({**COMMON, "clock_ahead_s": 3600})
    assert show.clock_ahead_s == 3600
    with pytest.raises(Garbage):
        parse_show({**COMMON, "clock_ahead_s": "an hour"})


def test_a_replaced_unit_says_what_to_do_with_it(scene_of: Any) -> None:
    scene = scene_of("replaced")
    assert "Máy này đã được thay thế" in texts(scene)
    assert "gửi về đơn vị quản trị" in said(scene) and "đã được xóa" in said(scene)
    assert "Máy này đã bị thu hồi" in texts(scene_of("revoked"))


def test_before_the_unit_has_spoken(canvas: Canvas) -> None:
    scene = compose(None, NOW, (), width=1280, height=720, measure=canvas.measure)
    assert {"Đang khởi động…", "07:48"} <= set(texts(scene))


def test_the_gallery_draws_every_view(tmp_path: Path) -> None:
    paths = draw_all(tmp_path / "gallery", 640, 360, Path(FONTS))
    assert len(paths) == len(VIEWS) + 1
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)

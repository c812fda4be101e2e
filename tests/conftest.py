"""What holds for every test."""

import signal

import pytest
from diemcau_controller.namespace import inside

# Whole meetings: they take long and mostly wait, so they run beside everything else (tools/run-tests.sh).
MEETINGS = (
    "test_bad_input_disk",
    "test_box_to_unit",
    "test_demo",
    "test_enrolment",
    "test_faults",
    "test_garbage",
    "test_media_",
    "test_privacy",
    "test_restore",
    "test_room_from_outside",
    "test_rtsp_passthrough",
    "test_spare_unit",
    "test_trials",
    "test_unit_meeting",
    "test_unit_whole",
    "test_urgent",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lane", choices=("meetings", "rest"), help="one half of the tests")


def pytest_configure(config: pytest.Config) -> None:
    # A job in the background is started deaf to Ctrl-C, and so would be everything that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "namespace: sends media, so it needs a network of its own")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the half that was asked for."""
    lane = config.getoption("--lane")
    if lane is None:
        return
    chosen = [item for item in items if item.path.stem.startswith(MEETINGS) == (lane == "meetings")]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that cannot run says so and fails: a silent skip would look like a pass."""
    if item.get_closest_marker("namespace") and not inside():
        pytest.fail("this test sends media and needs a network of its own: use make test", pytrace=False)

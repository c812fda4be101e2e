"""What holds for every test."""

import signal

import pytest
from diemcau_controller.namespace import inside

# Whole meetings, the longest first: what begins late holds up the end.
FIRST = (
    "test_demo",
    "test_room_check",
    "test_urgent",
    "test_widths",
    "test_enrolment",
    "test_faults_below",
    "test_rtsp_passthrough",
    "test_a_day",
    "test_faults",
    "test_board",
    "test_room_from_outside",
    "test_restore",
    "test_healthy_halls",
    "test_box_to_unit",
    "test_unit_link",
    "test_privacy",
    "test_docs",
    "test_floor",
)


def pytest_configure(config: pytest.Config) -> None:
    # A job in the background is started deaf to Ctrl-C, and so would be everything that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "namespace: sends media, so it needs a network of its own")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(FIRST)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that cannot run says so and fails: a silent skip would look like a pass."""
    if item.get_closest_marker("namespace") and not inside():
        pytest.fail("this test sends media and needs a network of its own: use make test", pytrace=False)

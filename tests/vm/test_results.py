import json

from tests.vm.results import Report, Results, for_stand_in, split_nodeid


def event(kind: str, nodeid: str = "", **more: object) -> str:
    return json.dumps({"event": kind, "nodeid": nodeid, **more}) + "\n"


def phase(nodeid: str, when: str, outcome: str = "passed") -> str:
    return event("report", nodeid, report={"when": when, "outcome": outcome, "nodeid": nodeid})


def finished(nodeid: str) -> str:
    return event("start", nodeid) + "".join(phase(nodeid, when) for when in ("setup", "call", "teardown"))


def test_a_test_is_finished_once_it_was_torn_down() -> None:
    results = Results()
    results.receive_text(event("start", "a") + phase("a", "setup") + phase("a", "call"))
    progress = results.progress("a")
    assert progress is not None
    so_far = [progress.finished]
    results.receive_text(phase("a", "teardown"))
    assert [*so_far, progress.finished] == [False, True]
    assert [report["when"] for report in progress.reports] == ["setup", "call", "teardown"]


def test_lines_may_arrive_in_pieces() -> None:
    text = finished("a") + finished("b")
    whole, pieces = Results(), Results()
    whole.receive_text(text)
    for character in text:
        pieces.receive_text(character)
    assert pieces.progress("a") == whole.progress("a")
    assert pieces.progress("b") == whole.progress("b")


def test_a_test_that_never_began_has_no_progress() -> None:
    results = Results()
    results.receive_text(finished("a"))
    assert results.progress("b") is None


def test_a_guest_lost_during_a_test_is_told_from_one_lost_before_it() -> None:
    results = Results()
    results.receive_text(finished("a") + event("start", "b") + phase("b", "setup"))
    assert results.loss("b", "panic") == "the guest was lost during this test: panic"
    assert results.loss("c", "panic") == "the guest was lost before this test began, during b: panic"


def test_a_guest_lost_while_booting_names_no_test() -> None:
    assert Results().loss("a", "no memory") == "the guest was lost before this test began: no memory"


def test_a_pytest_that_ended_without_a_test_is_told_from_a_lost_guest() -> None:
    results = Results()
    results.receive_text(finished("a") + event("end", status=4))
    assert results.loss("b", "status 4") == "the guest's pytest ended without running this test: status 4"


def test_a_report_is_relabelled_as_that_of_the_stand_in() -> None:
    report: Report = {
        "nodeid": "tests/kernel/test_x.py::test_y",
        "location": ["x", 1, "y"],
        "longrepr": None,
        "when": "call",
    }
    relabelled = for_stand_in(report, "outer", ("kernels.toml", None, "6.12: test_y"))
    assert relabelled["nodeid"] == "outer"
    assert relabelled["location"] == ["kernels.toml", None, "6.12: test_y"]
    assert relabelled["when"] == "call"


def test_the_reason_of_a_skip_is_a_tuple_again() -> None:
    report: Report = {"longrepr": ["test_x.py", 3, "Skipped: why"]}
    assert for_stand_in(report, "outer", ("", None, ""))["longrepr"] == ("test_x.py", 3, "Skipped: why")


def test_parameters_that_look_like_separators_stay_whole() -> None:
    assert split_nodeid("tests/kernel/test_x.py::TestY::test_z[::1]") == [
        "tests/kernel/test_x.py",
        "TestY",
        "test_z[::1]",
    ]

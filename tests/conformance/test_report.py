"""What the suite's reports say becomes the page."""

from pathlib import Path

import pytest
import report
import suite
from suite import Result

JUNIT = """<testsuites><testsuite>
<testcase name="[It] [sig-apps] Job should run [Conformance] [sig-apps, Conformance]" status="passed"/>
<testcase name="[It] [sig-apps] Job should end [Conformance] [sig-apps, Conformance]" status="failed">
  <failure message="timed out&#10;  waiting" type="failed">where</failure></testcase>
<testcase name="[It] [sig-node] Pods should be [LinuxOnly] [Conformance] [sig-node, Conformance]" status="skipped">
  <skipped message="skipped"/></testcase>
<testcase name="[It] [sig-apps] Job should not count [sig-apps]" status="passed"/>
<testcase name="[SynchronizedBeforeSuite]" status="passed"/>
</testsuite></testsuites>"""
RUNS = "[sig-apps] Job should run [Conformance]"
ENDS = "[sig-apps] Job should end [Conformance]"
NODE = "[sig-node] Pods should be [LinuxOnly] [Conformance]"


@pytest.fixture
def results(tmp_path: Path) -> list[Result]:
    path = tmp_path / "junit_01.xml"
    path.write_text(JUNIT)
    return suite.read([path])


def test_reading(results: list[Result]) -> None:
    assert results == [Result(ENDS, "timed out waiting"), Result(RUNS), Result(NODE, ran=False)]


def test_a_later_run_counts(tmp_path: Path, results: list[Result]) -> None:
    later = tmp_path / "later.xml"
    later.write_text(
        JUNIT.replace('status="failed">', 'status="passed"/>').partition("<failure")[0] + "</testsuite></testsuites>"
    )
    assert suite.read([tmp_path / "junit_01.xml", later])[0] == Result(ENDS, before="timed out waiting")


def test_a_section(results: list[Result]) -> None:
    text = report.section("Today", ["- noon"], results, {ENDS: "its | clock"})
    assert text.startswith("## Today\n\n- noon\n\n| group |")
    assert "| sig-apps | 2 | 1 | 1 | 0 |" in text
    assert "| **all** | 2 | 1 | 1 | 0 |" in text
    assert "| [sig-apps] Job should end | its \\| clock |" in text
    assert NODE not in text, "of a group that nobody asked for"
    also = Result("[sig-node] Pods should run [Conformance]")
    assert f"- {NODE}" in report.section("Today", [], [*results, also], {})


def test_a_second_attempt_is_told() -> None:
    text = report.section("Today", [], [Result(RUNS, before="too slow")], {})
    assert "| **all** | 1 | 1 | 0 | 0 |" in text
    assert "### What passed at a second attempt" in text
    assert "| [sig-apps] Job should run | too slow |" in text


def test_a_section_takes_the_place_of_its_elder() -> None:
    page = "# Page\n\n## A\n\nold\n\n## B\n\nstays\n"
    assert report.put(page, "## A\n\nnew\n") == "# Page\n\n## A\n\nnew\n\n## B\n\nstays\n"
    assert report.put(page, "## C\n\nnew\n") == page + "\n## C\n\nnew\n"


def test_reasons_are_of_tests() -> None:
    assert all(name.startswith("[sig-") and text for name, text in report.reasons().items())

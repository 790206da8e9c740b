"""JUnit's XML, in the shape that continuous-integration servers read: testsuites, testsuite, testcase, failure, error.

One suite is one scenario file. Texts may hold anything that came from data: what XML cannot hold is made visible first.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from dee_appliance.cli.output import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from dee_appliance.authoring.finding import Finding
    from dee_appliance.scenarios.testing import CaseReport

NAME = "dee plan test"
SURE = 3
"""Decimals of a time in seconds."""


def write_junit(path: Path, cases: Sequence[CaseReport], told: Mapping[str, Sequence[str]]) -> None:
    """Write what became of the cases; `told` has the lines that explain a failed case, by FILE::NAME."""
    files = dict.fromkeys(case.file for case in cases)
    root = _root(len(cases), sum(not case.passed for case in cases), 0, sum(case.seconds for case in cases))
    for file in files:
        suite = _suite(root, file, [case for case in cases if case.file == file])
        for case in cases:
            if case.file == file:
                _case(suite, case, told.get(f"{case.file}::{case.name}", ()))
    _write(path, root)


def write_mistakes(path: Path, findings: Iterable[Finding]) -> None:
    """Write that the scenario files themselves are wrong: an error for each mistake."""
    refused = [finding for finding in findings if finding.severity == "refused"]
    root = _root(len(refused), 0, len(refused), 0.0)
    for file in dict.fromkeys(finding.file for finding in refused):
        found = [finding for finding in refused if finding.file == file]
        counts = {"tests": str(len(found)), "failures": "0", "errors": str(len(found)), "skipped": "0"}
        suite = ET.SubElement(root, "testsuite", {"name": clean(file), **counts, "time": "0.000"})
        for finding in found:
            place = {"file": clean(file), "line": str(finding.line), "time": "0.000"}
            name = {"name": f"line {finding.line}", "classname": clean(file), **place}
            case = ET.SubElement(suite, "testcase", name)
            error = ET.SubElement(case, "error", {"message": clean(finding.reason), "type": finding.code})
            error.text = clean(str(finding))
    _write(path, root)


def _root(tests: int, failures: int, errors: int, seconds: float) -> ET.Element:
    counts = {"tests": str(tests), "failures": str(failures), "errors": str(errors), "time": f"{seconds:.{SURE}f}"}
    return ET.Element("testsuites", {"name": NAME, **counts})


def _suite(root: ET.Element, file: str, cases: Sequence[CaseReport]) -> ET.Element:
    attributes = {
        "name": clean(file),
        "tests": str(len(cases)),
        "failures": str(sum(not case.passed for case in cases)),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(case.seconds for case in cases):.{SURE}f}",
        "file": clean(file),
    }
    return ET.SubElement(root, "testsuite", attributes)


def _case(suite: ET.Element, case: CaseReport, told: Sequence[str]) -> None:
    attributes = {
        "name": clean(case.name),
        "classname": clean(case.file),
        "file": clean(case.file),
        "line": str(case.line),
        "time": f"{case.seconds:.{SURE}f}",
    }
    element = ET.SubElement(suite, "testcase", attributes)
    if case.failures:
        first = case.failures[0]
        message = f"line {first.line}: expected {first.expected}; {first.happened}"
        failure = ET.SubElement(element, "failure", {"message": clean(message), "type": "expectation"})
        failure.text = "\n".join(clean(line) for line in told)


def _write(path: Path, root: ET.Element) -> None:
    ET.indent(root)
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")

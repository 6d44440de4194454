"""What the runs of the Agents SDK's tests showed, test by test."""

from __future__ import annotations

import json
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.sdk_suite.not_applicable import NOT_APPLICABLE

PLAIN, LIVE, REPLAYED = MODES = ("plain", "live", "replayed")
NO_AGENT = "runs no agent"
STREAMS = "runs agents only as streams; this suite stands in the place of Runner.run"
MEASURED = {
    "sandboxes": "runs an agent with a sandbox, and sandboxes are not durable yet (they are refused)",
}


class Results:
    """The lines of JSON that the plugin wrote in one mode: the last one of each test holds.

    tests: by name (pytest's node id): `outcome`, `why`, and how often it called the runner:
        `runs`, `streams`, and how many of these had a sandbox.
    complete: whether a pytest ran to its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ended = path.with_suffix(".ended")
        self.tests: dict[str, dict[str, Any]] = {}
        self.read()

    def read(self, *, complete: bool = False) -> None:
        """Read the file, and note whether that is all."""
        if complete:
            self._ended.touch()
        if self.path.exists():
            tests = [json.loads(line) for line in self.path.read_text().splitlines()]
            self.tests = {test["test"]: test for test in tests}

    @property
    def complete(self) -> bool:
        return self._ended.exists()

    def forget(self) -> None:
        """Begin anew."""
        self.path.unlink(missing_ok=True)
        self._ended.unlink(missing_ok=True)
        self.tests.clear()


def report(release: str, found: dict[str, Results], path: Path) -> int:
    """Print what was found, write it to `path` with each test in a line, and return 1 if a test failed."""
    verdicts = {name: _verdict(name, found) for name in sorted(found[PLAIN].tests)}
    lines = [f"{verdict}: {name}{f': {why}' if why else ''}" for name, (verdict, why) in verdicts.items()]
    counts = Counter(verdict for verdict, _ in verdicts.values())
    last = "passed: {passed} failed: {failed} not applicable: {0}".format(
        counts["not applicable"], passed=counts["passed"], failed=counts["failed"]
    )
    path.write_text("\n".join([f"openai-agents {release}", *lines, last]) + "\n")
    for line, (verdict, why) in zip(lines, verdicts.values(), strict=True):
        if verdict == "failed" or (verdict == "not applicable" and why != NO_AGENT):
            print(line)
    for file, number in sorted(_without_agents(verdicts).items()):
        print(f"not applicable: {file}: {number} tests that run no agent")
    print(f"openai-agents {release}. Every test in a line: {path}")
    for mode in (LIVE, REPLAYED):
        outcomes = Counter(test["outcome"] for test in found[mode].tests.values())
        print(f"{mode}: {dict(outcomes)}")
    print(last)
    return int(counts["failed"] > 0)


def _verdict(name: str, found: dict[str, Results]) -> tuple[str, str]:
    plain = found[PLAIN].tests[name]
    if plain["outcome"] != "passed":
        return "not applicable", f"{plain['outcome']} without Perdure too: {plain['why']}"
    if not plain["runs"]:
        return "not applicable", STREAMS if plain["streams"] else NO_AGENT
    failed = next((mode for mode in (LIVE, REPLAYED) if not _passed(found[mode], name)), None)
    if failed is None:
        return "passed", ""
    for how, reason in MEASURED.items():
        if plain[how]:
            return "not applicable", reason
    for reason, patterns in NOT_APPLICABLE.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return "not applicable", reason
    test = found[failed].tests.get(name, {"outcome": "not run", "why": ""})
    return "failed", f"{failed}: {test['outcome']}: {test['why']}"


def _passed(results: Results, name: str) -> bool:
    return name in results.tests and results.tests[name]["outcome"] == "passed"


def _without_agents(verdicts: dict[str, tuple[str, str]]) -> Counter[str]:
    return Counter(name.partition("::")[0] for name, (_, why) in verdicts.items() if why == NO_AGENT)

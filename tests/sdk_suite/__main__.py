"""Run the Agents SDK's own tests with every `Runner.run` made durable: `make sdk-suite`.

The tests come from the SDK's source distribution, at the installed version, and run three times: as they are,
which tells which of them run an agent; then those, durably, on the embedded engine; then again, replayed at
every await. Ends with one line `passed: P failed: F not applicable: N`. A test has to pass both times.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

from tests.sdk_suite.report import MODES, PLAIN, Results, report

CHECKOUT = Path(__file__).parents[2]
BUILD = CHECKOUT / "build" / "sdk-suite"
HERE = Path(__file__).parent
TEST_TIMEOUT_S = 120
# A test file without any of these words has no way to a runner, by name or through a module that has one.
_RUNS_AGENTS = re.compile(r"Runner|run_sync|hitl|helpers|examples")


def main() -> int:
    """Run what has not been run yet, and report; 1 if a test failed."""
    parser = argparse.ArgumentParser(prog="sdk-suite", description=__doc__)
    parser.add_argument("--workers", default="2", help="how many processes run tests")
    parser.add_argument(
        "--resume", action="store_true", help="keep the results of the last run, run the rest"
    )
    parser.add_argument("--report", action="store_true", help="run nothing, report what the last run found")
    chosen = parser.parse_args()
    release = version("openai-agents")
    found = {mode: Results(BUILD / f"{mode}-{release}.jsonl") for mode in MODES}
    if not chosen.report:
        tests = _source(release)
        _run(
            tests, PLAIN, found[PLAIN], None, chosen.workers
        )  # the SDK without us changes with its version only
        agents = {name for name, test in found[PLAIN].tests.items() if test["runs"]}
        for mode in MODES[1:]:
            if not chosen.resume:
                found[mode].forget()
            _run(tests, mode, found[mode], agents, chosen.workers)
    return report(release, found, BUILD / "report.txt")


def _source(release: str) -> Path:
    """The folder of the SDK's source distribution."""
    folder = BUILD / f"openai_agents-{release}"
    if not folder.exists():
        wanted = [f"openai-agents=={release}", "--no-binary=openai-agents", "--no-deps", f"--dest={BUILD}"]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *wanted]
        subprocess.run(pip, check=True)
        with tarfile.open(BUILD / f"openai_agents-{release}.tar.gz") as archive:
            archive.extractall(BUILD, filter="data")
    return folder


def _may_run(file: Path) -> bool:
    return _RUNS_AGENTS.search(file.read_text()) is not None


def _run(folder: Path, mode: str, results: Results, wanted: set[str] | None, workers: str) -> None:
    """Run the tests of `wanted` (None: all of them) that have no result yet."""
    left = None if wanted is None else sorted(wanted - results.tests.keys())
    if left == [] or (left is None and results.complete):
        return
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE), str(CHECKOUT / "src")]),
        "SDK_SUITE_MODE": mode,
        "SDK_SUITE_RESULTS": str(results.path),
    }
    files = [str(file.relative_to(folder)) for file in folder.rglob("tests/**/test_*.py") if _may_run(file)]
    if left is not None:
        only = BUILD / "wanted.txt"
        only.write_text("\n".join(left))
        environment["SDK_SUITE_ONLY"] = str(only)
        files = sorted({name.partition("::")[0] for name in left})
    print(f"{mode}: {'all tests' if left is None else f'{len(left)} tests'} of {folder.name}", flush=True)
    options = ["-p", "durable_runs", "-p", "no:cacheprovider", "--tb=native", "-q", "-n", workers]
    options += ["--timeout", str(TEST_TIMEOUT_S), *files]
    ended = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=folder, env=environment)
    results.read(complete=ended.returncode in (0, 1))


if __name__ == "__main__":
    sys.exit(main())

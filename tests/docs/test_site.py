"""The site of the documentation builds, and asks no other machine; errors are told, snippets are run: all."""

from __future__ import annotations

import inspect
import re
from html.parser import HTMLParser
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from pages import ROOT, page_paths, snippets

from perdure import errors

TESTS = sorted((ROOT / "tests" / "docs").glob("*.py"))


class Loaded(HTMLParser):
    """What a browser fetches of its own accord to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        fetched = given.get("rel") in ("stylesheet", "icon", "preload", "preconnect") or tag != "link"
        address = given.get("href") if tag == "link" else given.get("src")
        if fetched and address and tag != "a":
            self.addresses.append(address)


def test_the_site_builds_without_a_warning_and_asks_no_other_machine(tmp_path: Path) -> None:
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path)))  # strict: a broken link is an error
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert loaded.addresses
        assert not [each for each in loaded.addresses if "//" in each], page
    assert "DurableRunner" in (tmp_path / "reference" / "openai.html").read_text()


def test_every_error_is_told_with_its_cause() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, BaseException)
    }
    told = set(re.findall(r"`([A-Z]\w+)`", page))
    assert classes <= told
    assert {name for name in told if hasattr(errors, name)} == classes


def test_every_snippet_is_named_and_run_by_a_test() -> None:
    """`page()` itself sees to it that all snippets of a page have a name."""
    named: dict[str, str] = {}
    idle = []
    for test in TESTS:
        text = test.read_text()
        for variable, path, names in re.findall(
            r'^(\w+) = page\(\s*"(.+?)",\s+"(.+?)"', text, flags=re.MULTILINE
        ):
            assert path not in named, f"{path} is read in {test.name} and in {named[path]}"
            named[path] = test.name
            used = set(re.findall(rf"\b{variable}\.(\w+)", text))
            idle += [f"{test.name}: {variable}.{name}" for name in names.split() if name not in used]
    assert not idle, f"named, but run by no test: {idle}"
    unread = [
        f"  {first}"
        for path in page_paths()
        if path not in named and (first := next(iter(snippets(path)), None))
    ]
    assert not unread, (
        "no test reads these pages, of which each has a snippet:\n"
        + "\n".join(unread)
        + '\nWrite in tests/docs: PAGE = page("docs/guide/...", "a name for each snippet"), and run each.'
    )


def test_every_block_says_what_it_is() -> None:
    """So that it is coloured, and that a test knows how to run it."""
    kinds = {"python", "sh", "console", "json", "js", "yaml", "promql", "text"}
    unknown = [
        f"  {block}" for path in page_paths() for block in snippets(path) if block.language not in kinds
    ]
    assert not unknown, f"write ```sh, or another of {sorted(kinds)}:\n" + "\n".join(unknown)

"""The site of the documentation builds, needs no other machine, tells of every error, and its code runs."""

from __future__ import annotations

import inspect
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from perdure import errors
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


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


def test_no_code_of_the_documentation_is_untested() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "docs").glob("*.py"))
    with_code = {path.name for path in PAGES if "```python" in path.read_text()}
    assert not {name for name in with_code if name not in tests and name.removesuffix(".md") not in tests}


@pytest.mark.anyio
async def test_the_agent_of_the_quickstart() -> None:
    [source] = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "quickstart.md").read_text(), flags=re.DOTALL
    )
    names: dict[str, object] = {}
    exec(compile(source, "quickstart.md", "exec"), names)
    model = ScriptedModel([ToolCall("temperature", {"city": "Rome"}), lambda items: items[-1]["output"]])
    names["weather"].model = model  # type: ignore[attr-defined]
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call("Agent/run", "How warm is it in Rome?") == "It is 21 degrees in Rome."

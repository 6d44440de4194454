"""The pages of the documentation, read as Markdown: what is in them that a reader may run.

The tests of a page name its snippets, all of them and in their order, and then run each:

    QUICKSTART = page("docs/quickstart.md", "install agent up ask see kill")

So a snippet that is new, gone or moved away is noticed where its page is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]


def page_paths() -> list[str]:
    """Of all pages for users: not of the decisions, which tell what was so when they were made."""
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    paths = sorted(path.relative_to(ROOT).as_posix() for path in found)
    return [path for path in paths if not path.startswith("docs/decisions/")]


@dataclass(frozen=True)
class Snippet:
    """language: as the page says it; empty if it does not."""

    path: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.language}: {self.text.strip().partition(chr(10))[0]}"


def tokens(path: str) -> list[Token]:
    return MarkdownIt().enable("table").parse((ROOT / path).read_text())


def snippets(path: str) -> list[Snippet]:
    """The blocks of code of a page: fenced, or indented."""
    return [
        Snippet(path, token.map[0] + 1, token.info.strip(), token.content)
        for token in tokens(path)
        if token.type in ("fence", "code_block") and token.map is not None
    ]


def commands(snippet: Snippet) -> list[tuple[str, list[str]]]:
    """Each command of a snippet for a shell, with the lines that are shown of its output."""
    lines = snippet.text.replace("\\\n", "").splitlines()
    if snippet.language == "sh":
        return [(line, []) for line in lines if line.strip()]
    assert snippet.language == "console", f"{snippet} is not for a shell"
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


def page(path: str, names: str) -> Any:
    """The snippets of a page as attributes, under these names."""
    named, found = names.split(), snippets(path)
    if len(named) != len(found):
        raise AssertionError(
            f"{path} has {len(found)} snippets, and its test names {len(named)}: {names}\n"
            + "\n".join(f"  {snippet}" for snippet in found)
            + "\nName each in the order of the page, and run it in that test."
        )
    return SimpleNamespace(**dict(zip(named, found, strict=True)))


def executed(*blocks: Snippet, replaced: Sequence[tuple[str, str]] = (), **names: Any) -> dict[str, Any]:
    """The names that these blocks of Python define, one after the other, when `names` are there.

    replaced: what stands in the page, and what it is in this test: the address of a server, say.
    """
    names = {"__name__": blocks[0].path, **names}
    for block in blocks:
        text = "\n" * block.line + block.text  # so that a traceback names the line of the page
        for old, new in replaced:
            assert old in text, f"{block} has no {old!r}"
            text = text.replace(old, new)
        exec(compile(text, ROOT / block.path, "exec", dont_inherit=True), names)
    return names

"""The rooms of the house and who may enter whose: docs/design.md, checked against every import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import perdure

SOURCE = Path(perdure.__file__).parent

# Each room may import itself and what is listed; the longest matching name is a module's room.
DOOR = {"perdure.errors", "perdure.streams", "perdure.protocol", "perdure.stream_answers"}
TRACE_CONTEXT = "perdure.telemetry.trace_context"
TELEMETRY = {"perdure.telemetry", TRACE_CONTEXT}
ENGINE_CORE = {"perdure.errors", "perdure.streams", "perdure.protocol", TRACE_CONTEXT, "perdure.engine.core"}
STORAGE = ENGINE_CORE | {"perdure.engine.storage"}
RUNTIME = STORAGE | TELEMETRY | {"perdure.engine.transport", "perdure.engine.runtime"}
ABANDONED = "perdure.abandoned"
DOORS = RUNTIME | {
    ABANDONED,
    "perdure.engine.request_body",
    "perdure.engine.times",
    "perdure.stream_answers",
}
INGRESS = DOORS | {"perdure.door"}
INTROSPECTION = "perdure.engine.introspection"
ENGINE = INGRESS | {INTROSPECTION, "perdure.engine.ingress", "perdure.engine.admin", "perdure.engine"}
AGENTS = TELEMETRY | {"perdure.errors", "perdure.streams", "perdure.durable", "perdure.openai"}
CLIENT = {"perdure.client"}
INSPECTION = {"perdure.errors", "perdure.protocol", "perdure.streams", "perdure.client"}
UI = INSPECTION | {ABANDONED, "perdure.inspection"}

ROOMS = {
    "perdure": AGENTS,
    "perdure.__main__": {"perdure.cli"},
    "perdure.errors": set(),
    ABANDONED: {"perdure.errors"},
    "perdure.streams": {"perdure.errors"},
    "perdure.telemetry": {"perdure.errors", TRACE_CONTEXT},
    TRACE_CONTEXT: set(),
    "perdure.stream_answers": {"perdure.errors", "perdure.streams"},
    "perdure.protocol": {"perdure.errors"},
    "perdure.door": DOOR,
    "perdure.engine": ENGINE | {"perdure.inspection", "perdure.ui"},
    "perdure.engine.core": ENGINE_CORE,
    "perdure.engine.storage": STORAGE,
    "perdure.engine.transport": ENGINE_CORE,
    "perdure.engine.runtime": RUNTIME,
    "perdure.engine.request_body": {"perdure.errors"},
    "perdure.engine.times": set(),
    "perdure.engine.ingress": INGRESS,
    INTROSPECTION: STORAGE,
    "perdure.engine.admin": DOORS | {INTROSPECTION},
    "perdure.gateway": DOOR | {"perdure.door"},
    "perdure.durable": TELEMETRY | {"perdure.errors", "perdure.streams"},
    "perdure.openai": TELEMETRY | {"perdure.errors", "perdure.streams", "perdure.durable"},
    "perdure.client": {"perdure.errors", "perdure.streams"},
    "perdure.inspection": INSPECTION,
    "perdure.ui": UI,
    "perdure.cli": CLIENT | ENGINE | AGENTS | UI | {"perdure.gateway", "perdure.ui"},
    "perdure.testing": ENGINE | AGENTS,
}

# I/O, time and chance: none of it in the rooms that are pure.
IMPURE = {
    "asyncio",
    "sqlite3",
    "socket",
    "time",
    "random",
    "secrets",
    "os",
    "threading",
    "uvicorn",
    "starlette",
}
PURE = ("perdure.protocol", "perdure.streams", "perdure.engine.core", TRACE_CONTEXT)

# The names that only compat/ may touch are private ones of this package.
AGENTS_SDK = "agents"


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = ("perdure", *path.relative_to(SOURCE).with_suffix("").parts)
        yield ".".join(part for part in parts if part != "__init__"), path


def imports(path: Path) -> Iterator[str]:
    """Every module named by an import statement, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str:
    return max((room for room in ROOMS if within(module, room)), key=len)


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


MODULES = list(modules())


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[module for module, _ in MODULES])
def test_a_module_imports_only_from_rooms_below_its_own(module: str, path: Path) -> None:
    room = room_of(module)
    allowed = ROOMS[room] | {room}
    entered = {room_of(name) for name in imports(path) if within(name, "perdure") and name != "perdure"}
    assert entered <= allowed, f"{module} (in {room}) must not import from {entered - allowed}"


@pytest.mark.parametrize("room", PURE)
def test_the_core_does_no_io_reads_no_clock_and_rolls_no_dice(room: str) -> None:
    found = {
        (module, name)
        for module, path in MODULES
        if within(module, room)
        for name in imports(path)
        if name.split(".")[0] in IMPURE
    }
    assert not found


def test_only_compat_touches_private_names_of_the_agents_sdk() -> None:
    found = {
        (module, name)
        for module, path in MODULES
        if not within(module, "perdure.openai.compat")
        for name in imports(path)
        if within(name, AGENTS_SDK) and any(part.startswith("_") for part in name.split("."))
    }
    assert not found


def test_the_test_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def later():\n    from perdure.durable import step\n")
    assert room_of("perdure.engine.core.machine") == "perdure.engine.core"
    assert any(room_of(name) == "perdure.durable" for name in imports(bad) if within(name, "perdure"))

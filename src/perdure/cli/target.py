"""TARGET on the command line: where the user's restate app is, and how to load it.

    module:attr     imported as `python -m module` would: the current folder is on sys.path
    file.py         executed as `python file.py` would: the file's own folder is on sys.path
    file.py:attr

`attr` defaults to `app` and may be dotted. What goes wrong in here is the user's to mend, so every
failure is one `CommandError` that says what, where, and what to write instead.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from perdure.errors import CommandError

if TYPE_CHECKING:
    from perdure.engine.transport.asgi import AsgiApp

# A file of one of these names would be found by its own `import restate`.
_NAMES_IN_USE = {"agents", "openai", "perdure", "restate"}
_MESSAGE_CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed TARGET: exactly one of `file` and `module` is set."""

    text: str
    attr: str
    file: Path | None = None
    module: str | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Splits TARGET. Raises CommandError where nothing can be at that place."""
        place, colon, attr = text.rpartition(":")
        if not colon or text.endswith(".py"):
            place, attr = text, "app"
        if place.endswith(".py"):
            return cls(text, attr or "app", file=_existing_file(Path(place)))
        if not all(part.isidentifier() for part in place.split(".")):
            raise CommandError(f"TARGET {text!r} is none of module:attr, file.py and file.py:attr")
        return cls(text, attr or "app", module=place)

    @property
    def place(self) -> str:
        """The file or module, as the user wrote it."""
        return self.text if self.text.endswith(".py") else self.text.rpartition(":")[0] or self.text

    def load(self) -> AsgiApp:
        """Imports the user's code and returns the app. Raises CommandError."""
        found: object = self._import()
        for name in self.attr.split("."):
            if not hasattr(found, name):
                raise CommandError(_no_such_attribute(self, found, name))
            found = getattr(found, name)
        return _checked_app(self, found)

    def _import(self) -> ModuleType:
        try:
            if self.file is not None:
                return _execute(self.file)
            assert self.module is not None
            if sys.path[0] != os.getcwd():
                sys.path.insert(0, os.getcwd())
            return importlib.import_module(self.module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise CommandError(_import_failed(self, error)) from error


def _existing_file(file: Path) -> Path:
    if file.is_file():
        return file.resolve()
    folder = file.parent
    if not folder.is_dir():
        raise CommandError(f"no file {file}: there is no folder {folder}")
    near = difflib.get_close_matches(file.name, [other.name for other in folder.glob("*.py")], n=1)
    hint = f"; did you mean {folder / near[0]}?" if near else ""
    raise CommandError(f"no file {file} in {Path.cwd()}{hint}")


def _execute(file: Path) -> ModuleType:
    name = file.stem
    if name in _NAMES_IN_USE:
        raise CommandError(f"{file.name} hides the package {name!r} from its own imports: rename the file")
    if sys.path[0] != str(file.parent):
        sys.path.insert(0, str(file.parent))
    if name in sys.modules:  # `python json.py` is no module named json either
        name = f"perdure_target_{name}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses and pydantic look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_failed(target: Target, error: BaseException) -> str:
    if isinstance(error, CommandError):
        return str(error)
    frames = list(_user_frames(error))
    if isinstance(error, ModuleNotFoundError) and not frames and target.module is not None:
        near = difflib.get_close_matches(target.module, [file.stem for file in Path.cwd().glob("*.py")], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"no module {error.name!r} in {Path.cwd()} or in the installed packages{hint}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno} is not valid Python: {error.msg}"
    where = f" at {_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    if isinstance(error, SystemExit):
        guard = 'if __name__ == "__main__":'
        return f"{target.place} called sys.exit{where} while it was imported: put that under `{guard}`"
    what = _one_line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    if isinstance(error, ModuleNotFoundError):
        what += f" (install it for {sys.executable})"
    return f"{target.place} raised{where}: {what}"


def _user_frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    """The frames of the user's own code: not importlib's, ours, or an installed package's."""
    paths = sysconfig.get_paths()
    not_theirs = (paths["stdlib"], paths["purelib"], paths["platlib"], str(Path(__file__).parents[1]))
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith(("<", *not_theirs)):
            yield frame


def _no_such_attribute(target: Target, owner: object, name: str) -> str:
    problem = f"{target.place} has no attribute {target.attr!r}"
    apps = [key for key, value in vars(owner).items() if not key.startswith("_") and _is_asgi_app(value)]
    if apps:
        return f"{problem}; write {' or '.join(f'{target.place}:{key}' for key in apps)}"
    services = [key for key, value in vars(owner).items() if _is_service(value)]
    return f"{problem}; add `{name} = restate.app([{', '.join(services) or 'your services'}])` to it"


def _checked_app(target: Target, found: object) -> AsgiApp:
    if _is_service(found):
        kind = f"restate.{type(found).__name__}"
        raise CommandError(
            f"{target.place}:{target.attr} is a {kind}, not an app: add `app = restate.app([{target.attr}])`"
        )
    if not _is_asgi_app(found):
        raise CommandError(
            f"{target.place}:{target.attr} is {_a(type(found).__name__)}, not what restate.app([...]) returns"
        )
    return found  # type: ignore[return-value]  # checked above; discovery checks that restate answers


def _is_service(value: object) -> bool:
    restate = sys.modules.get("restate")  # if the user's code has not imported it, nothing is a service
    return restate is not None and isinstance(
        value, (restate.Service, restate.VirtualObject, restate.Workflow)
    )


def _is_asgi_app(value: object) -> bool:
    """An async callable of (scope, receive, send): restate.app(...), or an app that mounts one."""
    if not callable(value) or inspect.isclass(value):
        return False
    if not (inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__)):
        return False
    try:
        inspect.signature(value).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_CHARS_MAX else line[: _MESSAGE_CHARS_MAX - 1] + "…"

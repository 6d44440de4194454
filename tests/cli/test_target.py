"""TARGET: what a user may write, and what each mistake is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.cli.target import Target
from perdure.errors import CommandError

APP = "import restate\nservice = restate.Service('Agent')\n"
WITH_APP = APP + "app = restate.app([service])\n"


@pytest.fixture(autouse=True)
def own_interpreter_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts in an empty folder and leaves no module and no path behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


def refusal(text: str) -> str:
    """What the user is told."""
    with pytest.raises(CommandError) as refused:
        Target.parse(text).load()
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "text", ["shop.py", "shop.py:app", "./shop.py", "shop", "shop:app", "shop:other", "shop.py:holder.app"]
)
def test_each_form_of_target_finds_the_app(text: str) -> None:
    holder = "other = app\nclass holder:\n    app = staticmethod(other)\n"
    Path("shop.py").write_text(WITH_APP + holder)
    app = Target.parse(text).load()
    assert callable(app)
    assert app.__module__ == "restate.server"


def test_a_file_imports_its_neighbours_as_python_would(tmp_path: Path) -> None:
    folder = tmp_path / "some-where"
    folder.mkdir()
    (folder / "tools.py").write_text("name = 'Agent'\n")
    (folder / "my-agent.py").write_text(
        "import tools\nimport restate\napp = restate.app([restate.Service(tools.name)])\n"
    )
    assert callable(Target.parse("some-where/my-agent.py").load())


def test_a_module_in_a_package_is_found_from_the_current_folder() -> None:
    Path("shop").mkdir()
    Path("shop/__init__.py").touch()
    Path("shop/main.py").write_text(WITH_APP)
    assert callable(Target.parse("shop.main:app").load())


def test_a_file_named_like_a_module_that_is_loaded_already_is_still_the_users() -> None:
    Path("json.py").write_text(WITH_APP)
    assert callable(Target.parse("json.py").load())
    import json

    assert json.loads("1") == 1


def test_dataclasses_of_the_file_know_their_module() -> None:
    Path("shop.py").write_text(
        "from __future__ import annotations\nimport dataclasses, typing\n"
        "@dataclasses.dataclass\nclass Order:\n    city: str\n"
        "assert typing.get_type_hints(Order) == {'city': str}\n" + WITH_APP
    )
    assert callable(Target.parse("shop.py").load())


def test_a_missing_file_is_named_with_a_near_one() -> None:
    Path("agent.py").touch()
    assert refusal("agnet.py") == f"no file agnet.py in {Path.cwd()}; did you mean agent.py?"
    assert refusal("nowhere/agent.py") == "no file nowhere/agent.py: there is no folder nowhere"


def test_a_missing_module_is_named_with_a_near_one() -> None:
    Path("agent.py").touch()
    expected = f"no module 'agnet' in {Path.cwd()} or in the installed packages; did you mean agent?"
    assert refusal("agnet:app") == expected


def test_a_missing_module_that_the_users_module_imports_is_told_with_its_place() -> None:
    Path("agent.py").write_text("import os\nimport no_such_module\n")
    for text in ("agent.py", "agent:app"):
        message = refusal(text)
        assert "raised at agent.py:2: ModuleNotFoundError: No module named 'no_such_module'" in message
        assert sys.executable in message


def test_a_module_that_raises_is_told_with_the_exception_and_the_line_of_the_user() -> None:
    Path("agent.py").write_text("def load():\n    import json\n    return json.loads('{')\n\nx = load()\n")
    message = refusal("agent.py")
    # json's own frames are deeper; the line that the user can mend is 3
    assert message.startswith("agent.py raised at agent.py:3: JSONDecodeError: ")


def test_a_message_of_many_lines_is_one_line() -> None:
    Path("agent.py").write_text("raise ValueError('first\\n  second\\n' + 'x' * 1000)\n")
    message = refusal("agent.py")
    assert message.startswith("agent.py raised at agent.py:1: ValueError: first second xxx")
    assert len(message) < 400


def test_a_syntax_error_is_told_with_its_line() -> None:
    Path("agent.py").write_text("x = 1\ndef f(:\n")
    assert refusal("agent.py").startswith("agent.py:2 is not valid Python: ")


def test_a_script_that_exits_is_told_about_the_guard() -> None:
    Path("agent.py").write_text("import sys\nsys.exit(3)\n")
    told = "agent.py called sys.exit at agent.py:2 while it was imported: put that under "
    assert refusal("agent.py") == told + '`if __name__ == "__main__":`'


def test_a_missing_attribute_lists_the_apps_that_are_there() -> None:
    Path("agent.py").write_text(APP + "one = restate.app([service])\ntwo = restate.app([service])\n")
    assert refusal("agent.py") == "agent.py has no attribute 'app'; write agent.py:one or agent.py:two"
    assert refusal("agent:three") == "agent has no attribute 'three'; write agent:one or agent:two"


def test_a_module_with_services_and_no_app_is_told_the_line_to_add() -> None:
    Path("agent.py").write_text(APP)
    expected = "agent.py has no attribute 'app'; add `app = restate.app([service])` to it"
    assert refusal("agent.py") == expected


def test_a_service_is_not_an_app() -> None:
    Path("agent.py").write_text(APP)
    expected = "agent.py:service is a restate.Service, not an app: add `app = restate.app([service])`"
    assert refusal("agent.py:service") == expected


@pytest.mark.parametrize("value", ["42", "dict", "lambda a, b, c: None", "[]"])
def test_what_is_no_app_is_refused_before_anything_starts(value: str) -> None:
    Path("agent.py").write_text(f"app = {value}\n")
    assert refusal("agent.py").endswith("not what restate.app([...]) returns")


@pytest.mark.parametrize("text", ["", "a b", "folder/agent:app", "./agent", "1agent:app"])
def test_what_is_no_target_is_told_the_three_forms(text: str) -> None:
    assert "module:attr, file.py and file.py:attr" in refusal(text)


def test_a_file_that_hides_a_package_it_needs_is_refused() -> None:
    Path("restate.py").write_text(WITH_APP)
    assert refusal("restate.py") == (
        "restate.py hides the package 'restate' from its own imports: rename the file"
    )

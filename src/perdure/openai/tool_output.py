"""What a tool returned, as JSON that comes back as what it was.

Three ways, in this order:

* JSON, Pydantic models, dataclasses and the scalars of `values`, with their types beside them.
* What the tool's return annotation describes: a model that is defined inside of a function cannot be found by
  its name, but the annotation of the tool knows it.
* The text that the model sees of it, `str(output)`, live and on replay alike. Refused where it could become
  something else than text: see `keeps_text`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent, FunctionTool
from pydantic import TypeAdapter

from perdure.durable import values
from perdure.durable.context import enclosing_step


def to_json(output: Any, returns: TypeAdapter[Any] | None, text: bool) -> dict[str, values.Json]:
    """The output of a tool, in the step that called it. Fails the run if only text would come back, and
    `text` says that this is not enough.
    """
    try:
        plain, types = values.to_json(output)
        if types:
            values.from_json(*values.to_json(output))  # a model may refuse its own JSON
        return {"output": plain, "types": types} if types else {"output": plain}
    except Exception as error:
        reason = error
    described = _described(output, returns)
    if described is not None:
        return described
    scope = enclosing_step()
    if not text and scope is not None:
        scope.refuse(
            f"tool {scope.name!r} returned a {type(output).__qualname__} that the journal cannot give back: "
            f"{reason}. Its text would do for a model, but here it may become the final output "
            "(tool_use_behavior with an output_type, or a function), or has a declared type of its own. "
            "Return JSON, a Pydantic model or a dataclass, or annotate what the tool returns"
        )
    return {"output": str(output), "is_text": True}


def from_json(entry: dict[str, values.Json], returns: TypeAdapter[Any] | None) -> Any:
    """The inverse."""
    if entry.get("as_annotated") and returns is not None:
        return returns.validate_python(entry["output"])
    return values.from_json(entry["output"], entry.get("types", {}))


def _described(output: Any, returns: TypeAdapter[Any] | None) -> dict[str, values.Json] | None:
    if returns is None:
        return None
    try:
        plain = returns.dump_python(output, mode="json")
        again = returns.validate_python(plain)
        values.to_json(plain)
        same = type(again) is type(output) and again == output
    except Exception:
        return None
    return {"output": plain, "as_annotated": True} if same else None


def keeps_text(tool: FunctionTool, agent: Any) -> bool:
    """Whether nobody asks for more of the tool's output than its text.

    The SDK makes text of a final output unless the agent has an output type; a function that decides on
    final outputs may do anything with them.
    """
    if tool.output_json_schema is not None:
        return False
    behavior = agent.tool_use_behavior if isinstance(agent, Agent) else "run_llm_again"
    if behavior == "run_llm_again":
        return True
    if isinstance(behavior, dict):
        if not {tool.name, tool.qualified_name} & set(behavior.get("stop_at_tool_names", ())):
            return True
    elif behavior != "stop_on_first_tool":
        return False
    return agent.output_type in (None, str)


def adapter(annotation: Any) -> TypeAdapter[Any] | None:
    """What describes values of a return annotation; None if nothing useful does."""
    if annotation in (None, Any, type(None)):
        return None
    make: Callable[[Any], TypeAdapter[Any]] = TypeAdapter
    try:
        return make(annotation)
    except Exception:  # any class is a legal annotation
        return None

"""Parameters: how a clause declares one, and how a chosen value is read and held against its bounds."""

from __future__ import annotations

import re
from dataclasses import replace

from wardstack.standards.document import Node
from wardstack.standards.model import PARAMETER_TYPES, Parameter, Value
from wardstack.standards.problems import Mark
from wardstack.standards.reader import Reader

NAME = r"[a-z][a-z0-9]*(_[a-z0-9]+)+"
_KEYS = {
    "integer": ("unit", "min", "max"),
    "boolean": ("fixed",),
    "text": ("pattern",),
    "choice": ("choices",),
    "list": ("min", "max", "choices", "pattern"),
}
_NEEDS = {"integer": ("min", "max"), "text": ("pattern",), "choice": ("choices",), "list": ("min", "max")}
_HIGHEST = 2**53
_EMPTY: dict[str, Value] = {"integer": 0, "boolean": False, "text": "", "choice": "", "list": ()}


def read_parameter(name: str, clause: str, node: Node, reader: Reader) -> Parameter | None:
    """Read the declaration of a parameter.

    Returns:
        None when its type is unknown, so that nothing more can be said about it.
    """
    what = f"parameter {name}"
    kind_node = node.value.get("type") if isinstance(node.value, dict) else None
    kind = reader.choice(kind_node, f"the type of {what}", PARAMETER_TYPES)
    required = ("type", "default", "description", *_NEEDS.get(kind, ()))
    entries = reader.mapping(node, what, required, _KEYS[kind] if kind else None)
    if not kind or "default" not in entries:
        return None
    low = reader.integer(entries.get("min"), f"min of {what}", 0, _HIGHEST) if "min" in entries else None
    high = reader.integer(entries.get("max"), f"max of {what}", 0, _HIGHEST) if "max" in entries else None
    if low is not None and high is not None and low > high:
        reader.problems.add(
            entries["min"].mark, f"min of {what} is {low} and max is {high}", "min must not exceed max", clause
        )
    pattern = reader.text(entries.get("pattern"), f"pattern of {what}")
    try:
        re.compile(pattern)
    except re.error as error:
        reader.problems.add(
            entries["pattern"].mark, f"pattern of {what} is no regular expression: {error}", clause=clause
        )
        return None
    parameter = Parameter(
        name=name,
        clause=clause,
        mark=node.mark,
        type=kind,
        default=_EMPTY[kind],
        description=reader.bilingual(entries.get("description"), f"description of {what}"),
        unit=reader.text(entries.get("unit"), f"unit of {what}"),
        low=low,
        high=high,
        choices=reader.texts(entries.get("choices"), f"choices of {what}"),
        pattern=pattern,
        fixed=reader.boolean(entries.get("fixed"), f"fixed of {what}"),
    )
    # Any default of a fixed boolean is right: it is what fixes it.
    unfixed = replace(parameter, fixed=False)
    default = read_value(unfixed, entries["default"], reader, what=f"the default of {what}")
    return replace(parameter, default=default)


def read_value(parameter: Parameter, node: Node, reader: Reader, *, bounded: bool = True, what: str = "") -> Value:
    """Read a value of the parameter's type; problems name the clause and where it says so.

    Args:
        parameter: what is chosen.
        node: the chosen value.
        reader: takes the problems.
        bounded: False for an approved deviation, which may lie outside the bounds but not be of another type.
        what: what to call the value in a problem; the parameter's name when empty.
    """
    what = what or parameter.name
    value = _typed(parameter, node)
    if value is None:
        _report(parameter, node.mark, f"{what} is {_shown(node)}", reader)
        return _EMPTY[parameter.type]
    if bounded and not within(parameter, value):
        _report(parameter, node.mark, f"{what} is {_shown(node)}", reader)
    return value


def within(parameter: Parameter, value: Value) -> bool:
    """Whether a value of the right type lies inside the bounds."""
    low = 0 if parameter.low is None else parameter.low
    high = _HIGHEST if parameter.high is None else parameter.high
    if isinstance(value, bool):
        return not parameter.fixed or value == parameter.default
    if isinstance(value, int):
        return low <= value <= high
    if isinstance(value, tuple):
        return (
            low <= len(value) <= high
            and len(set(value)) == len(value)
            and all(_word(parameter, item) for item in value)
        )
    return _word(parameter, value)


def _word(parameter: Parameter, text: str) -> bool:
    if parameter.choices and text not in parameter.choices:
        return False
    return not parameter.pattern or re.fullmatch(parameter.pattern, text) is not None


def _typed(parameter: Parameter, node: Node) -> Value | None:
    """The value if it is of the parameter's type. Words are taken as written (`off`, `1.2`), not as YAML sees them."""
    value = node.value
    if parameter.type == "list":
        if not isinstance(value, list) or any(isinstance(item.value, list | dict) or not item.text for item in value):
            return None
        return tuple(item.text for item in value)
    if isinstance(value, list | dict):
        return None
    if parameter.type == "boolean":
        return value if isinstance(value, bool) else None
    if parameter.type == "integer":
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    return node.text or None


def _shown(node: Node) -> str:
    if isinstance(node.value, list):
        words = [item.text or item.kind for item in node.value]
        return f"[{', '.join(words)}]"
    return f"'{node.text}'" if node.text else node.kind


def _report(parameter: Parameter, mark: Mark, message: str, reader: Reader) -> None:
    hint = f"the clause allows {parameter.bounds} ({parameter.mark})"
    if mark.file != parameter.mark.file:
        hint += "; choose inside that, or record a deviation in deviations.yml"
    reader.problems.add(mark, message, hint, parameter.clause)

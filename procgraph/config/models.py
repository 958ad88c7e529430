"""The keys of a graph file as pydantic models, and pydantic's findings in the words of this package."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from procgraph.compiler.backend import MAX_THREADS
from procgraph.config.problems import Report
from procgraph.config.tree import Node
from procgraph.errors import did_you_mean

__all__ = ["ChannelEntry", "GraphFile", "ProcessEntry", "RunSettings", "keys", "validated"]

POLICIES = Literal["block", "drop_oldest", "drop_newest", "latest", "error"]
M = TypeVar("M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)


class RunSettings(_Strict):
    """Defaults of ``procgraph run``; its options override them."""

    steps: Annotated[int, Field(ge=0)] | None = Field(default=None, description="steps to run; excludes seconds")
    seconds: Annotated[float, Field(ge=0, lt=1e9)] | None = Field(default=None, description="simulated seconds to run")
    until: Literal["done"] | None = Field(
        default=None, description="'done': end when every game and model says that it is done"
    )
    realtime: Annotated[float, Field(gt=0, lt=1e9)] | None = Field(
        default=None, description="simulated over wall-clock time; absent: as fast as possible"
    )
    devices: str = Field(default="auto", description="auto, or a device that 'procgraph devices' lists")
    threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] | Literal["auto"] | None = Field(
        default=None, description=f"threads of the native engine, 1 to {MAX_THREADS}, or auto: one per processor"
    )

    @model_validator(mode="after")
    def _one_length(self) -> RunSettings:
        if self.steps is not None and self.seconds is not None:
            raise ValueError("steps and seconds exclude each other. Remove one.")
        return self


class ProcessEntry(BaseModel):
    """One Process; further keys are the arguments of its type."""

    model_config = ConfigDict(strict=True, extra="allow")

    type: str = Field(description="class of the Process")


class ChannelEntry(_Strict):
    """One channel in its long form."""

    source: str = Field(alias="from", description="output port, such as game.frame[34:194, 0:160]")
    target: str = Field(alias="to", description="input port, such as eye.frame")
    delay: int | str = Field(default=0, description="steps, or a time such as '2 ms'")
    capacity: Annotated[int, Field(ge=1, lt=2**31)] | None = Field(
        default=None, description="events that the channel holds; absent: unbounded"
    )
    when_full: POLICIES = Field(default="error", description="what happens to an event that finds the channel full")


class GraphFile(_Strict):
    """A graph of Processes and channels, and how to run it."""

    procgraph: Literal[1] = Field(description="version of the file format")
    dt: Annotated[float, Field(gt=0)] | str = Field(
        default=1.0, description="length of a step: a number of ms, or a time such as '0.1 ms'"
    )
    seed: Annotated[int, Field(ge=0, lt=2**64)] = Field(default=0, description="seed of all random numbers")
    imports: list[str] = Field(
        default_factory=list, description="Python files (relative) or modules that declare Processes; they are executed"
    )
    processes: dict[str, Any] = Field(description="Processes by name")
    channels: list[Any] = Field(default_factory=list, description="what joins outputs to inputs")
    run: dict[str, Any] = Field(default_factory=dict, description="defaults of 'procgraph run'")


def validated(model: type[M], node: Node, what: str, report: Report) -> M | None:
    """The node as ``model``; None if it does not fit, which is then reported with every reason."""
    value = node.value()
    if not isinstance(value, dict):
        report.add(node.mark, f"{what} is {_short(value)}; allowed: a mapping (key: value).")
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        _report(error, model, node, what, report)
        return None


def keys(model: type[BaseModel]) -> list[str]:
    """The keys of a model as they stand in a file."""
    return [f.alias or name for name, f in model.model_fields.items()]


def _report(error: ValidationError, model: type[BaseModel], node: Node, what: str, report: Report) -> None:
    """Branches of a union are one finding with several ways out."""
    allowed: dict[tuple[str | int, ...], list[str]] = {}
    for item in error.errors():
        path, mark = node.find(item["loc"])
        if item["type"] == "extra_forbidden":
            report.add(
                mark,
                f"{what} has the unknown key {item['loc'][-1]!r}.{did_you_mean(str(item['loc'][-1]), keys(model))}",
            )
        elif item["type"] == "missing":
            report.add(mark, f"{what} needs the key {item['loc'][-1]!r}.")
        elif item["type"] == "value_error":
            report.add(mark, f"{what}: {item['ctx']['error']}")
        else:
            allowed.setdefault(path, []).append(_wanted(str(item["msg"])))
    for path, ways in allowed.items():
        place, mark = node.find(path)
        value: Any = node.value()
        for part in place:
            value = value[part]
        label = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).removeprefix(".")
        full = label if what == "the file" else f"{what}: {label}"
        report.add(mark, f"{full} is {_short(value)}; allowed: {' or '.join(dict.fromkeys(ways))}.")


def _wanted(message: str) -> str:
    names = {
        "a valid integer": "a whole number",
        "a valid number": "a number",
        "a valid string": "text",
        "a valid list": "a list",
        "a valid dictionary": "a mapping (key: value)",
    }
    text = message.removeprefix("Input should be ")
    return names.get(text, text)


def _short(value: object) -> str:
    if value is None:
        return "empty"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

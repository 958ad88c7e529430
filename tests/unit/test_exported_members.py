"""What a module offers is what its ``__all__`` says: no more, no less."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import procgraph

OPTIONAL = {"procgraph._native"}


def _modules() -> list[str]:
    found = [m.name for m in pkgutil.walk_packages(procgraph.__path__, "procgraph.") if m.name not in OPTIONAL]
    assert len(found) > 50, found
    return [m for m in found if not m.endswith("__main__")]


def _public_definitions(module: object) -> set[str]:
    name = module.__name__  # type: ignore[attr-defined]
    return {
        k
        for k, v in vars(module).items()
        if not k.startswith("_") and (inspect.isclass(v) or inspect.isfunction(v)) and v.__module__ == name
    }


def test_every_name_of_the_package_is_there() -> None:
    for name in procgraph.__all__:
        assert getattr(procgraph, name) is not None, name
    assert set(procgraph.__all__) <= set(dir(procgraph))
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        procgraph.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", _modules())
def test_all_lists_what_a_module_defines(name: str) -> None:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", [])
    assert sorted(set(listed)) == sorted(listed), "a name is listed twice"
    missing = [n for n in listed if not hasattr(module, n)]
    assert not missing, f"{name}.__all__ lists {missing}, which are not there"
    unlisted = _public_definitions(module) - set(listed)
    assert not unlisted, f"{name} defines {sorted(unlisted)}: list them in __all__ or start their names with _"

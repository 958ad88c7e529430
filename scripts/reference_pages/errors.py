"""The exceptions."""

from __future__ import annotations

import inspect

from procgraph import errors
from reference_pages.text import code, first_line, markdown, table


def errors_page() -> str:
    """The exceptions, with their bases."""
    text = f"# Errors\n\n{markdown(inspect.cleandoc(errors.__doc__ or ''))}\n\n`from procgraph.errors import …`.\n\n"
    classes = [getattr(errors, n) for n in errors.__all__ if isinstance(getattr(errors, n), type)]
    rows = ((code(c.__name__), ", ".join(f"`{b.__name__}`" for b in c.__bases__), first_line(c)) for c in classes)
    return text + table(("error", "is a", "meaning"), rows)

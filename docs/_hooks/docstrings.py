"""The docstrings' habits, as the API reference reads them: several arguments on one line, doctests, roles as links."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, NameResolutionError, Object

_SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+)(: .*(?:\n\1 +.*)*)", re.MULTILINE)
"""``    rows, columns: text`` of a section of arguments or attributes."""

_DOCTEST = re.compile(r"(?:^|(?<=\n\n))(?:>>> .*(?:\n.+)*)")
"""A paragraph that begins with ``>>>``, outside of a section."""

_ROLE = re.compile(r":(?:func|class|meth|mod):`([\w.]+)`")


class AsWritten(Extension):
    """Rewrites every docstring before it is parsed; what is wrong with it is still found."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite that of one object."""
        if obj.docstring is None:
            return
        text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
        text = _SEVERAL.sub(lambda m: "\n".join(f"{m[1]}{name}{m[3]}" for name in m[2].split(", ")), text)
        text = _DOCTEST.sub(lambda m: f"```pycon\n{m[0]}\n```", text)
        obj.docstring.value = _ROLE.sub(lambda m: _link(obj, m[1]), text)


def _link(obj: Object, name: str) -> str:
    path = name
    if not name.startswith("kbnet."):
        first, _, rest = name.partition(".")
        try:
            path = ".".join(filter(None, [obj.resolve(first), rest]))
        except NameResolutionError:
            return f"`{name}`"
    return f"[`{name}`][{path}]"

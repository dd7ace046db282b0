"""Cache of what an engine builds for each input size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Built = TypeVar("Built")
Key = TypeVar("Key")


class PerSize(Generic[Key, Built]):
    """Cache that builds a value once for each key and drops the least recently used one.

    Thread-safe: existing values are returned at once, and one thread builds at a time. Dropped values remain valid for
    the threads that use them.

    Example:
        >>> built = PerSize(lambda size: print("build", size) or size, keep=1)
        >>> _ = [built[size] for size in (1, 1, 2, 1)]
        build 1
        build 2
        build 1
    """

    def __init__(self, build: Callable[[Key], Built], keep: int = 4) -> None:
        self._build = build
        self._keep = keep
        self._built: OrderedDict[Key, Built] = OrderedDict()
        self._changing = threading.Lock()
        self._building = threading.Lock()

    def __getitem__(self, key: Key) -> Built:
        """Value of a key; built if it is missing."""
        try:
            return self._kept(key)
        except KeyError:
            pass
        with self._building:
            try:
                return self._kept(key)  # another thread has built it in the meantime
            except KeyError:
                built = self._build(key)
            with self._changing:
                if len(self._built) >= self._keep:
                    self._built.popitem(last=False)
                self._built[key] = built
            return built

    def _kept(self, key: Key) -> Built:
        with self._changing:
            self._built.move_to_end(key)
            return self._built[key]

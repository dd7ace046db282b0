"""What an engine builds for each size of input, kept for the few used last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Built = TypeVar("Built")
Key = TypeVar("Key")


class PerSize(Generic[Key, Built]):
    """Build once for each key; forget the one not used for longest when there are too many.

    For any number of threads: what is there is returned at once, and one thread builds at a time. What is forgotten
    stays usable to the threads that use it.

    Args:
        build: from a key to what is to be kept.
        keep: how many.

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
        """What was built for the key, now if need be."""
        try:
            return self._kept(key)
        except KeyError:
            pass
        with self._building:
            try:
                return self._kept(key)  # another thread has built it meanwhile
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

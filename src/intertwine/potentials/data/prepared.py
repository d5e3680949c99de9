"""A sequence whose items are computed when they are asked for; no group acts."""

from collections.abc import Callable, Sequence
from typing import Any


class Prepared(Sequence[Any]):
    """The items of a sequence after a function, computed when asked for: a store as items of training, for one."""

    def __init__(self, items: Sequence[Any], function: Callable[[Any], Any]):
        self.items, self.function = items, function

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.function(self.items[index])

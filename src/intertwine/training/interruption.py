"""Control-C and SIGTERM turned into a question that the loop asks between two steps. No group acts here."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """A run was stopped from outside; the message says what was saved."""


class StopRequest:
    """Whether somebody asked to stop."""

    def __init__(self):
        self.asked = False


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM inside a `with` block: the first sets `asked`, the second interrupts at once.

    Signals can only be caught in the main thread; elsewhere nothing changes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: object) -> None:
        if request.asked:
            raise KeyboardInterrupt
        request.asked = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

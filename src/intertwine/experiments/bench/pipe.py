"""The parent's half of the pipe: starts a worker in the environment of its side and talks to it. No group acts here."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SERVE = Path(__file__).with_name("serve.py")
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",  # e3nn 0.4.4, which MACE pins, keeps its constants as a pickle
}


class WorkerError(RuntimeError):
    """A worker answered with an error."""


class WorkerGone(WorkerError):
    """A worker ended, or took too long and was ended; it answers no more."""


class Worker:
    """One process that builds cases and times them; close it, or use it as a context.

    Args:
        script: what the worker builds, see `serve`.
        threads: it may use; it is kept on as many cores.
        python: the interpreter of its environment; this one where left out.
    """

    def __init__(self, script: Path, *, threads: int, python: Path | None = None):
        self.log = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 closed by close
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [str(python or sys.executable), "-P", str(SERVE), str(script), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**inherited, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads)},
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe(self.process.stdout), selectors.EVENT_READ)

    def send(self, command: Mapping[str, Any]) -> None:
        """Ask for something; several workers may be asked before the first answer is read."""
        try:
            print(json.dumps(command), file=self._pipe(self.process.stdin), flush=True)
        except BrokenPipeError:
            raise WorkerGone(self._last_words()) from None

    def receive(self, *, limit: float = 600.0) -> dict[str, Any]:
        """The answer to the oldest question.

        Raises:
            WorkerError: what was asked for failed.
            WorkerGone: no answer within `limit` seconds, or never again.
        """
        if not self._selector.select(max(limit, 0.0)):
            self.process.kill()
            raise WorkerGone(f"took more than {limit:.0f} s")
        line = self._pipe(self.process.stdout).readline()
        if not line:
            raise WorkerGone(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def ask(self, command: Mapping[str, Any], *, limit: float = 600.0) -> dict[str, Any]:
        """Send, and wait for the answer."""
        self.send(command)
        return self.receive(limit=limit)

    def close(self) -> None:
        """End the worker."""
        with suppress(BrokenPipeError):  # a question that was never read
            self._pipe(self.process.stdin).close()
        for _ in range(20):
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            self.process.kill()
        self.process.wait()
        self._selector.close()
        self._pipe(self.process.stdout).close()
        self.log.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _last_words(self) -> str:
        self.process.wait()
        self.log.seek(0)
        lines = [line.strip() for line in self.log.read().splitlines() if line.strip()]
        return f"the worker ended with code {self.process.returncode}: {lines[-1] if lines else 'without a word'}"

    @staticmethod
    def _pipe(pipe: Any) -> Any:
        return pipe

"""The worker's half of the pipe: builds the case it is told to and times it. No group acts here.

Runs as `python -P serve.py SCRIPT THREADS` in the environment of any side, so it needs the standard library and numpy
only. Both sides of a comparison are timed by these lines. SCRIPT defines

    start(threads) -> dict[str, str]                                versions to record
    build(row, case, inputs) -> dict[str, (run, export)]            by the name of the pass

where `run()` does the whole pass and returns when it is done, and `export` turns its result into named numpy arrays in
the layout that all sides share. Commands and answers are lines of JSON.
"""

import ctypes
import gc
import json
import os
import sys
import time
import types
from contextlib import suppress
from pathlib import Path

import numpy as np

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def build(script, command: dict) -> tuple[dict, dict]:
    """Build a case, run the passes asked for once, and leave what they gave in files."""
    folder = Path(command["inputs"])
    inputs = {path.stem: aligned(np.load(path, allow_pickle=False)) for path in folder.glob("*.npy")}
    begun = time.perf_counter()
    passes = script.build(command["row"], command["case"], inputs)
    answer = {"build": time.perf_counter() - begun, "first": {}, "failed": {}, "passes": list(passes)}
    for name in [each for each in command["run"] if each in passes]:
        run, export = passes[name]
        try:
            begun = time.perf_counter()
            result = run()
            answer["first"][name] = time.perf_counter() - begun
            leave(export(result), Path(command["outputs"]) / name)
        except Exception as error:  # the other passes may still be timed
            answer["failed"][name] = words(error)
    return passes, answer


def aligned(values: np.ndarray) -> np.ndarray:
    """A copy that begins at a multiple of 64 bytes, as the arrays that the libraries make themselves do."""
    buffer = np.empty(values.nbytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    copy = buffer[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def leave(arrays, folder: Path) -> None:
    """Write arrays to files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", np.asarray(values), allow_pickle=False)


def clock(run, calls: int, warm: bool) -> dict:
    """Seconds a call, by the clock on the wall and by the processor time of all threads."""
    if warm:
        run()
    gc.collect()
    gc.disable()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    gc.enable()
    return {"wall": wall / calls, "cpu": cpu / calls}


def peak_memory(run) -> dict:
    """Resident bytes above the state before, at most, while the pass runs."""
    gc.collect()
    with suppress(AttributeError):  # the allocator gives back what it kept, which would hide what the pass needs
        ctypes.CDLL(None).malloc_trim(0)
    CLEAR.write_text("5")  # Linux: the peak starts anew
    before = resident("VmRSS")
    run()
    return {"bytes": resident("VmHWM") - before}


def resident(entry: str) -> int:
    """A line of the process's status, in bytes."""
    lines = STATUS.read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{entry}:"))


def main() -> None:
    """Answer commands until the pipe closes."""
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not get into the answers
    limit_memory()
    path, threads = sys.argv[1], int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):  # before the imports: thread pools count the cores they see
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # for torch_passes
    script, passes = types.ModuleType("side"), {}
    try:
        exec(compile(Path(path).read_text("utf-8"), path, "exec"), vars(script))
        answer = {"versions": script.start(threads)}
    except Exception as error:
        answer = {"error": words(error)}
    print(json.dumps(answer), file=pipe)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["do"] == "build":
                passes = {}  # frees the case before
                passes, answer = build(script, command)
            elif command["do"] == "time":
                answer = clock(passes[command["pass"]][0], command["calls"], command["warm"])
            else:
                answer = peak_memory(passes[command["pass"]][0])
        except Exception as error:
            answer = {"error": words(error)}
        print(json.dumps(answer), file=pipe)


def limit_memory() -> None:
    """A side that wants more than three quarters of the machine gets an error, and the machine stays alive."""
    try:
        import resource

        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (total * 3 // 4, total * 3 // 4))
    except (ImportError, ValueError, OSError):
        pass  # not on this system


def words(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


if __name__ == "__main__":
    main()

from intertwine.experiments import timing
from intertwine.experiments.timing import in_turns, quartiles, ratio


def test_tasks_take_turns_and_none_is_always_first():
    order: list[str] = []
    seconds = in_turns({name: lambda name=name: order.append(name) for name in "abc"}, rounds=3, warmup=0)
    assert order == list("abcbcacab")
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_warm_up_is_not_counted():
    calls: list[int] = []
    assert len(in_turns({"a": lambda: calls.append(0)}, rounds=2, warmup=3)["a"]) == 2
    assert len(calls) == 5


def test_ratios_are_taken_round_by_round():
    # a machine that slows down fivefold between the rounds changes no ratio
    found = ratio({"a": [1.0, 5.0, 2.0], "b": [2.0, 10.0, 4.0]}, "a", over="b")
    assert (found.low, found.median, found.high, found.spread) == (0.5, 0.5, 0.5, 0.0)


def test_quartiles_hold_the_middle_half():
    found = quartiles([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.low, found.median, found.high) == (2.0, 3.0, 4.0)
    alone = quartiles([2.0])
    assert (alone.low, alone.median, alone.high, alone.spread) == (2.0, 2.0, 2.0, 0.0)


def test_seconds_are_those_of_the_task(monkeypatch):
    clock = [0.0]

    def work(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    seconds = in_turns({"slow": lambda: work(3.0), "fast": lambda: work(1.0)}, rounds=2)
    assert seconds == {"slow": [3.0, 3.0], "fast": [1.0, 1.0]}
    assert ratio(seconds, "slow", over="fast").median == 3.0

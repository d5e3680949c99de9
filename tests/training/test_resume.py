"""A run killed by SIGKILL and resumed ends with the same bits; a run that forgets any one state does not."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed_run.py")
FORGOTTEN = ["random", "optimizer", "average", "schedule", "sampler"]
generator = random.Random(0)

# Each kill is a real SIGKILL: in the n-th step since the resume, or at the n-th file operation of saving.
JOBS = {
    "uninterrupted": [{"kills": []}],
    "uninterrupted, saved by epoch": [{"kills": [], "mid_epoch": False}],
    "any step": [{"kills": [["step", generator.randint(2, 10)] for _ in range(3)]} for _ in range(5)],
    "between checkpoints": [{"kills": [["step", n], ["step", 4]], "mid_epoch": False} for n in (3, 6, 14)],
    "while writing": [{"kills": [["step", 14], ["write", operation]]} for operation in range(1, 11)],
    "after the last step of an epoch": [{"kills": [["validation", 2], ["validation", 2]]}],
    "two stages": [{"kills": [], "second_stage": True}],
    "two stages, killed": [{"kills": [["step", n], ["step", 4]], "second_stage": True} for n in (9, 11, 13)],
    "two stages, forgotten": [{"kills": [["step", 18]], "second_stage": True, "drop": "stage"}],
    **{name: [{"kills": [["step", 18]], "drop": name}] for name in FORGOTTEN},
}


@pytest.fixture(scope="module")
def results() -> dict[str, list[dict]]:
    jobs = [{"drop": None, "mid_epoch": True, "second_stage": False, **job} for group in JOBS.values() for job in group]
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        input="".join(json.dumps(job) + "\n" for job in jobs),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = iter(done.stdout.splitlines())
    return {name: [json.loads(next(lines)) for _ in group] for name, group in JOBS.items()}


def test_a_run_killed_at_any_step_ends_with_the_same_bits(results):
    killed = results["any step"]
    assert {result["digest"] for result in killed} == {results["uninterrupted"][0]["digest"]}
    assert all(result["deaths"] == 3 for result in killed)
    assert all(step > 0 for result in killed for step in result["resumed_from"][1:])


def test_a_run_killed_between_the_last_step_of_an_epoch_and_its_end_writes_the_same_history(results):
    (killed,) = results["after the last step of an epoch"]
    assert killed["digest"] == results["uninterrupted"][0]["digest"] and killed["deaths"] == 2


def test_a_run_killed_between_checkpoints_repeats_the_steps_it_lost(results):
    killed = results["between checkpoints"]
    assert {result["digest"] for result in killed} == {results["uninterrupted, saved by epoch"][0]["digest"]}
    assert all(result["deaths"] == 2 for result in killed)


def test_a_run_killed_while_it_writes_a_checkpoint_ends_with_the_same_bits(results):
    killed = results["while writing"]
    assert {result["digest"] for result in killed} == {results["uninterrupted"][0]["digest"]}
    assert all(result["deaths"] == 2 for result in killed)


def test_a_run_killed_around_its_second_stage_ends_with_the_same_bits(results):
    killed, (forgotten,) = results["two stages, killed"], results["two stages, forgotten"]
    assert {result["digest"] for result in killed} == {results["two stages"][0]["digest"]}
    assert all(result["deaths"] == 2 for result in killed)
    assert forgotten["deaths"] == 1 and forgotten["digest"] != results["two stages"][0]["digest"]


@pytest.mark.parametrize("name", FORGOTTEN)
def test_a_resume_that_forgets_one_state_is_noticed(name, results):
    assert results[name][0]["deaths"] == 1
    assert results[name][0]["digest"] != results["uninterrupted"][0]["digest"]

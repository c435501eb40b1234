"""Recipes are chosen by `standard` on dev, and every trial is kept."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cod_bench.design import suites, tracks
from cod_bench.errors import RunError
from cod_bench.runner import recipe, work
from cod_bench.track import Recipe
from tests import ROOT


def row(rate: float, steps: int, accuracy: float, seed: int = 100, method: str = "kd") -> dict[str, object]:
    return {
        "track": "t", "method": method, "learning_rate": rate, "steps": steps, "task": "a", "k": 8, "seed": seed,
        "accuracy": accuracy, "seconds": 1.0,
    }  # fmt: skip


def test_the_best_mean_wins_and_a_tie_goes_to_fewer_steps_then_to_the_lower_rate() -> None:
    rows = [row(1e-4, 20, 0.6), row(1e-4, 20, 0.8, 101), row(5e-4, 40, 0.75), row(5e-4, 40, 0.65, 101)]
    assert recipe.choose(rows, "t", "kd") == (1e-4, 20)
    assert recipe.choose([*rows, row(2e-4, 20, 0.7)], "t", "kd") == (1e-4, 20)
    assert recipe.choose([*rows, row(2e-4, 20, 0.71)], "t", "kd") == (2e-4, 20)
    with pytest.raises(RunError, match="no trials"):
        recipe.choose(rows, "t", "lwd")


def test_trials_survive_a_round_trip_and_every_setting_is_shown(tmp_path: Path) -> None:
    rows = [row(1e-4, 20, 0.6), row(5e-4, 40, 0.8), row(1e-4, 40, 0.5, method="lwd")]
    recipe.write(tmp_path / "r.csv", rows)
    assert sorted(recipe.read(tmp_path / "r.csv"), key=str) == sorted(rows, key=str)
    text = recipe.markdown(rows)
    assert "| **0.0005** | **40** | **80.00** |" in text
    assert "| 0.0001 | 20 | 60.00 |" in text
    assert "## lwd on t" in text


def test_no_seed_of_any_suite_is_used() -> None:
    used = {seed for suite in suites.SUITES.values() for seed in suite.seeds}
    assert used.isdisjoint(recipe.SEEDS)


def test_the_tracks_recipes_are_what_the_committed_trials_say() -> None:
    rows = recipe.read(ROOT / "docs" / "recipe.csv")
    track = tracks.track("minilm-fp32")
    for method in ("kd", "lwd", "ted", "finetune"):
        own = [r for r in rows if (r["track"], r["method"]) == (track.name, method)]
        todo = recipe.trials(track, [method], suites.suite("embedded").tasks)
        assert len(own) == len(todo)
        rate, steps = recipe.choose(rows, track.name, method)
        assert (track.recipe_for(method).learning_rate, track.recipe_for(method).steps_at(32)) == (rate, steps)
    assert (ROOT / "docs" / "recipe.md").read_text() == recipe.markdown(rows)


@pytest.mark.parametrize("name", ["minilm-whole"])
def test_recipes_of_whole_students_are_what_the_committed_trials_say(name: str) -> None:
    rows = recipe.read(ROOT / "docs" / "recipe.csv")
    track, tasks = tracks.track(name), suites.suite("embedded").tasks
    tried = sorted({row["method"] for row in rows if row["track"] == name})
    assert {"kd", "lwd", "ted"} <= {*tried}
    for method in tried:
        own = [row for row in rows if (row["track"], row["method"]) == (name, method)]
        todo = [*recipe.trials(track, [method], tasks), *recipe.trials_above(track, [method], tasks, rows)]
        made = {tuple(row[column] for column in recipe.COLUMNS[:7]) for row in own}
        assert {tuple(asdict(trial).values()) for trial in todo} <= made
        found = track.recipe_for(method)
        assert (found.learning_rate, found.steps_at(32)) == recipe.choose(rows, name, method)
        for k, steps in recipe.steps_above(rows, name, method).items():
            assert found.steps_at(k) == steps
    twin = tracks.track(f"{name}-fp32")
    assert (twin.recipe, twin.recipes) == (track.recipe, track.recipes)


def test_steps_at_larger_k_are_chosen_there_at_the_rate_of_small_ones() -> None:
    rows = [row(1e-4, 20, 0.6), row(5e-4, 40, 0.8)]
    whole = replace(tracks.track("toy"), name="t", recipe=Recipe(None, {4: 20}, above={64: (40, 80)}))
    todo = recipe.trials_above(whole, ["kd"], ["a"], rows)
    assert {(trial.learning_rate, trial.steps, trial.k) for trial in todo} == {(5e-4, 40, 64), (5e-4, 80, 64)}
    assert len(todo) == 2 * len(recipe.SEEDS)
    larger = [{**row(5e-4, steps, accuracy), "k": 64} for steps, accuracy in ((40, 0.9), (80, 0.9), (160, 0.7))]
    assert recipe.steps_above([*rows, *larger], "t", "kd") == {64: 40}  # fewer steps on a tie
    assert recipe.choose([*rows, *larger], "t", "kd") == (5e-4, 40)  # small k alone choose the rate
    text = recipe.markdown([*rows, *larger])
    assert "| **64** | **0.0005** | **40** | **90.00** | 90.0 |" in text
    assert "a k=64" not in text


def test_the_search_reads_dev_and_never_the_evaluation_split(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    real = work._token_ids

    def watched(track: str, task: str, where: str) -> list[list[int]]:
        asked.append(where)
        return real(track, task, where)

    monkeypatch.setattr(work, "_token_ids", watched)
    trial = recipe.Trial("toy", "kd", 1e-3, 2, "toy", 8, 100)
    result = work.perform(recipe._payload(trial))
    assert 0 <= result["accuracy"] <= 1
    assert set(asked) == {"dev"}

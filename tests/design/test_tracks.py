"""Built-in tracks, tracks of a user's own models, and recipes by name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.data import checkpoints as sources
from cod_bench.design import built_in, suites, tracks
from cod_bench.design.identity import _method_identity, expected, identify, run_id
from cod_bench.errors import UsageError
from cod_bench.runner import recipe, work
from cod_bench.spec import RunSpec
from tests.checkpoints import save


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    save(root / "big", "bert", layers=6)
    save(root / "small", "bert", layers=2, width=16, seed=1)
    save(root / "decoder", "llama", layers=3)
    return root


def test_recipes_are_those_that_were_executed_and_written() -> None:
    paper = tracks.track("deberta-small")
    kd, ted = paper.hparams("kd", 8), paper.hparams("ted", 8)
    assert (kd["steps"], kd["learning_rate"], kd["kl_weight"], kd["layer_weight"]) == (100, 6e-5, 20.0, 20.0)
    assert (kd["warmup"], kd["weight_decay"], kd["batch_size"]) == (0.0, 0.0, 8)
    assert (ted["steps"], ted["filter_steps"], ted["filter_learning_rate"]) == (40, 50, 2e-5)
    assert paper.hparams("kd", 512)["steps"] == 6400
    qwen = tracks.track("qwen").hparams("lwd", 16)
    assert (qwen["steps"], qwen["learning_rate"], qwen["layer_weight"]) == (100, 2e-5, 0.05)
    written = tracks.track("deberta-small+paper-c4").recipe
    assert (written.epochs, written.adam_epsilon, written.adam_betas) == (10, 1e-6, (0.9, 0.98))
    assert written.rates == (1e-5, 2e-5, 3e-5, 5e-5)
    teacher = paper.teacher
    assert (teacher.epochs, teacher.learning_rate, teacher.adam_epsilon) == (8, 2e-5, 1e-6)


def test_every_value_of_the_papers_tracks_says_where_it_is_from() -> None:
    for name in ("deberta-small", "deberta-xsmall", "qwen", "qwen-deberta", "smollm", "smollm-minilm"):
        track = tracks.track(name)
        variants = [r for one in track.variants.values() for r in (one.recipe, *one.by_method.values())]
        teachers = [one.teacher for one in track.variants.values() if one.teacher is not None]
        for made in (track.recipe, *track.recipes.values(), *variants, track.teacher, *teachers):
            assert made.source, name


def test_no_revision_is_written_that_was_not_seen() -> None:
    for name in tracks.names():
        track = tracks.track(name)
        hub = [side for side in (track.teacher_side, track.student_side) if side.source.startswith("hub:")]
        assert track.pinned is not bool(hub)
        assert not any(side.revision or side.sha256 for side in hub)


def test_a_pinned_hub_model_enters_the_identity() -> None:
    before = tracks.track("deberta-small").identity()
    for side in (built_in.TRACKS["deberta-small"].teacher_side, built_in.TRACKS["deberta-small"].student_side):
        file = sources._lock_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        name = side.source.removeprefix("hub:")
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**known, name: {"revision": "c" * 40, "sha256": "a" * 64}}))
    after = tracks.track("deberta-small")
    assert after.pinned
    assert after.identity() != before
    assert after.identity()["teacher_revision"] == after.identity()["student"]["revision"] == "c" * 40


def test_two_folders_make_a_track(models: Path) -> None:
    made = tracks.define("mine", str(models / "big"), str(models / "small"), "1:3,2:6", max_length=32)
    assert made == tracks.track("mine")
    assert (made.layer_map, made.max_length, made.precision) == (((1, 3), (2, 6)), 32, "float32")
    assert made.aligned
    assert not made.freeze_embeddings
    assert str(models) not in json.dumps(made.identity())
    assert made.teacher_side.sha256 == sources.fingerprint(models / "big") != made.student_side.sha256
    assert "mine" in tracks.names()
    assert suites.suite("embedded").choose_track("mine") == "mine"


def test_the_identity_is_that_of_the_weights(models: Path) -> None:
    one = tracks.define("mine", str(models / "big"), str(models / "small")).identity()
    assert tracks.define("other", str(models / "big"), str(models / "small")).identity() == one
    assert tracks.define("mine", str(models / "big"), str(models / "big")).identity() != one


def test_layers_are_spread_evenly_unless_told(models: Path) -> None:
    assert tracks.define("mine", str(models / "big"), str(models / "small")).layer_map == ((1, 3), (2, 6))
    assert tracks.define("mine", str(models / "small"), str(models / "big")).layer_map == ((3, 1), (6, 2))


def test_across_families_nothing_is_mapped_and_the_recipe_is_the_students(models: Path) -> None:
    made = tracks.define("mine", str(models / "decoder"), str(models / "small"))
    assert not made.aligned
    assert made.layer_map == ()
    assert (made.teacher_side.pooling, made.student_side.pooling) == ("last", "first")
    assert made.recipe.epochs == 100
    assert made.teacher.epochs == 10
    assert tracks.define("mine", str(models / "small"), str(models / "decoder")).recipe.epochs == 50


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("mine", "BIG", "", "", None, "", ""), "give both and --track NAME"),
        (("", "BIG", "SMALL", "", None, "", ""), "give both and --track NAME"),
        (("minilm", "BIG", "SMALL", "", None, "", ""), "choose a new name"),
        (("a+b", "BIG", "SMALL", "", None, "", ""), "choose a new name"),
        (("mine", "BIG", "SMALL", "1-3", None, "", ""), "write student:teacher pairs such as 1:3,2:6"),
        (("mine", "BIG", "SMALL", "1:7", None, "", ""), "the student has layers 1 to 2 and the teacher 1 to 6"),
        (("mine", "BIG", "SMALL", "1:3,1:4", None, "", ""), "names a student layer twice"),
        (("mine", "BIG", "SMALL", "", None, "float16", ""), "choose float32 or bfloat16"),
        (("minilm", "", "", "1:3", None, "", ""), "belong to a new track"),
        (("", "", "", "", None, "", "paper-c4"), "name the --track"),
        (("minilm", "", "", "", None, "", "paper-c4"), "unknown recipe of track 'minilm' 'paper-c4'"),
        (("mine", "BIG", "SMALL", "", None, "", "paper-c5"), "did you mean 'paper-c4'"),
    ],
)
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], sentence: str, models: Path) -> None:
    where = {"BIG": str(models / "big"), "SMALL": str(models / "small")}
    with pytest.raises(UsageError) as caught:
        tracks.chosen(*(where.get(value, value) if isinstance(value, str) else value for value in arguments))  # type: ignore[arg-type]
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_by_name_makes_a_variant_beside_the_track() -> None:
    assert tracks.chosen("deberta-small", "", "", "", None, "", "scripts") == "deberta-small"
    assert tracks.chosen("deberta-small", "", "", "", None, "", "paper-c4") == "deberta-small+paper-c4"
    one, other = tracks.track("deberta-small"), tracks.track("deberta-small+paper-c4")
    assert one.identity() == other.identity()
    assert one.base == other.base


def test_an_open_rate_is_chosen_on_dev_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from cod_bench.track import Recipe, Recipes

    quick = Recipe(None, epochs=2, rates=(1e-4, 3e-3))
    monkeypatch.setitem(built_in.TRACKS, "toy", replace(built_in.TRACKS["toy"], variants={"open": Recipes(quick)}))
    name = "toy+open"
    spec = RunSpec("last", name, "toy", "kd", "standard", "", 8, 0)
    with pytest.raises(UsageError, match=r"cod-bench recipe --track toy\+open --method kd"):
        run_id(spec)
    assert expected([spec]) == {}
    assert recipe.candidates(tracks.track(name), "kd") == ((1e-4, 0), (3e-3, 0))
    trials = [
        trial for trial in recipe.trials(tracks.track(name), ["kd"], ["toy"]) if (trial.k, trial.seed) == (8, 100)
    ]
    rows = []
    for trial in trials:
        result = work.perform(recipe._payload(trial))
        rows.append({**recipe._payload(trial)["trial"], "accuracy": result["accuracy"], "seconds": result["seconds"]})
    rate, steps = recipe.choose(rows, name, "kd")
    assert steps == 0
    assert "recipe's" in recipe.markdown(rows)
    tracks.keep_rate(name, "kd", rate)
    _method_identity.cache_clear()
    assert identify(spec)["method"]["hparams"]["learning_rate"] == rate
    assert work.run_one(spec, {}).cost["steps"] == 2.0


def call(*arguments: str, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COD_BENCH_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "cod_bench", *arguments], cwd=cwd, capture_output=True, text=True, env=environment
    )


def test_a_pair_named_on_the_command_line_is_planned_and_listed(models: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    pair = ("--teacher", str(models / "decoder"), "--student", str(models / "small"), "--max-length", "32")
    where = ("--suite", "toy", "--track", "pair")
    planned = call("plan", *where, *pair, cwd=tmp_path, home=home)
    assert planned.returncode == 0, planned.stderr
    assert "48 runs: 0 done, 24 missing, 0 failed, 24 not applicable" in planned.stdout
    assert "not applicable on pair: lwd compares states token by token" in planned.stdout
    listed = call("list", cwd=tmp_path, home=home).stdout
    assert "pair               decoder -> small; other recipes: paper-c4" in listed
    assert "(unpinned: its first use pins the hub's current models)" in listed
    status = call("status", *where, cwd=tmp_path, home=home).stdout
    assert "not applicable on pair: ted compares states token by token" in status


@pytest.mark.slow
def test_a_pair_across_families_from_the_command_line_to_its_table(models: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    where = ("--suite", "toy", "--track", "pair")
    tracks.define("pair", str(models / "decoder"), str(models / "small"), max_length=32)
    cell = ("--method", "finetune,lwd", "--condition", "half", "--seed", "0", "--workers", "1")
    done = call("run", *where, *cell, cwd=tmp_path, home=home)
    assert done.returncode == 0, done.stderr
    assert "1 runs done, 0 failed" in done.stderr
    page = (tmp_path / "runs" / "leaderboard" / "toy" / "README.md").read_text()
    assert "`lwd` is not applicable on this track: it compares states token by token" in page
    assert re.search(r"\| lwd +\| not applicable +\| +– ", page)
    status = call("status", *where, cwd=tmp_path, home=home).stdout
    assert "24 not applicable" in status
    assert "1 done" in status


def test_a_recipe_may_bring_its_own_teacher_which_is_then_another_one(models: Path) -> None:
    made = tracks.define("mine", str(models / "big"), str(models / "small"))
    quick = tracks.track("mine+embedded")
    assert (made.teacher.epochs, quick.teacher.epochs) == (8, 1)
    assert (quick.recipe_for("kd").steps_at(8), quick.recipe_for("ted").steps_at(32)) == (40, 40)
    assert quick.teacher_identity() != made.teacher_identity()
    assert quick.teacher_name != made.teacher_name
    assert tracks.track("mine+paper-c4").teacher_name == made.teacher_name


def test_a_teachers_epochs_can_be_chosen(models: Path) -> None:
    pair = ("mine", str(models / "big"), str(models / "small"), "", None, "")
    assert tracks.chosen(*pair, "", 2) == "mine"
    assert tracks.track("mine").teacher.epochs == 2
    assert tracks.chosen(*pair, "", None) == "mine"
    assert tracks.track("mine").teacher.epochs == 8
    with pytest.raises(UsageError, match="--teacher-epochs 2: recipe 'embedded' fits teachers in its own way"):
        tracks.chosen(*pair, "embedded", 2)
    with pytest.raises(UsageError, match="--teacher-epochs belong to a new track"):
        tracks.chosen("mine", "", "", "", None, "", "", 2)


def test_tracks_of_one_teacher_share_its_folder_whatever_their_students(models: Path) -> None:
    one = tracks.define("one", str(models / "big"), str(models / "small"))
    other = tracks.define("other", str(models / "big"), str(models / "big"))
    assert one.identity() != other.identity()
    assert one.teacher_name == other.teacher_name
    assert tracks.define("third", str(models / "small"), str(models / "big")).teacher_name != one.teacher_name


def test_parameters_outside_the_embeddings_are_counted_for_estimates(models: Path) -> None:
    from transformers import AutoModel

    made = tracks.define("mine", str(models / "big"), str(models / "small"))
    counted = [
        sum(
            p.numel()
            for name, p in AutoModel.from_pretrained(models / size).named_parameters()
            if not re.search("embed|pooler", name)
        )
        for size in ("big", "small")
    ]
    assert made.sizes == tuple(counted)
    assert replace(made, sizes=None).identity() == made.identity()
    assert made.sizes[0] > made.sizes[1]


def test_a_track_file_of_an_earlier_version_is_read(models: Path, tmp_path: Path) -> None:
    from cod_bench.store import settings, stamped

    made = tracks.define("mine", str(models / "big"), str(models / "small"))
    (file,) = tracks._folder().glob("mine.json")
    kept = settings(file)
    del kept["sizes"]
    file.write_text(stamped(kept))
    assert tracks.track("mine") == replace(made, sizes=None)


def test_the_seed_of_a_teacher_is_part_of_a_tracks_identity_and_of_its_teachers() -> None:
    plain, other = tracks.track("minilm-fp32"), tracks.track("minilm-fp32@2")
    assert (other.name, other.teacher_seed, other.base) == ("minilm-fp32@2", 2, "minilm-fp32")
    assert "teacher_seed" not in plain.identity()
    assert other.identity() == {**plain.identity(), "teacher_seed": 2}
    assert other.teacher_name != plain.teacher_name
    assert tracks.track("deberta-small+paper-c4@3").base == "deberta-small"
    assert tracks.exists("toy@9999")
    for name in ("toy@0", "toy@01", "toy@10000", "toy@x", "toy@1@2"):  # one name a teacher
        assert not tracks.exists(name)
        with pytest.raises(UsageError, match="unknown track"):
            tracks.track(name)


@pytest.mark.parametrize(
    ("name", "recipe", "seed", "found"),
    [
        ("toy", "", 1, "toy@1"),
        ("toy", "", 0, "toy"),
        ("deberta-small", "paper-c4", 2, "deberta-small+paper-c4@2"),
        ("deberta-small@2", "paper-c4", None, "deberta-small+paper-c4@2"),
        ("deberta-small@2", "scripts", None, "deberta-small@2"),
    ],
)
def test_a_command_line_names_the_seed_behind_the_recipe(name: str, recipe: str, seed: int | None, found: str) -> None:
    assert tracks.chosen(name, "", "", "", None, "", recipe, None, seed) == found


@pytest.mark.parametrize(("name", "seed"), [("", 1), ("toy@1", 2), ("toy", 10_000)])
def test_a_seed_without_its_track_is_a_sentence(name: str, seed: int) -> None:
    with pytest.raises(UsageError, match=r"^--teacher-seed"):
        tracks.chosen(name, "", "", "", None, "", "", None, seed)


def test_teachers_of_other_seeds_are_other_teachers_and_each_is_the_same_twice(tmp_path: Path) -> None:
    script = (
        "from cod_bench.counterfactuals import warm; "
        "print(*(warm.teacher(name, 'toy').sha256 for name in ('toy', 'toy@1', 'toy@2')))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "COD_BENCH_HOME": str(tmp_path / home)}, check=True,
            capture_output=True, text=True,
        ).stdout.split()
        for home in ("one", "two")
    ]  # fmt: skip
    assert told[0] == told[1]
    assert len({*told[0]}) == 3

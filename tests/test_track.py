"""Identity and hyperparameters of tracks: what the first records were made with stays as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench.design import built_in
from cod_bench.errors import UsageError
from cod_bench.track import Recipe, Side, TeacherRecipe

MINILM = built_in.TRACKS["minilm-fp32"]


def test_the_identity_of_a_track_of_one_sentence_encoder_is_that_of_the_first_records() -> None:
    assert MINILM.identity() == {
        "teacher_version": 1, "weights": "minilm", "weights_sha256": built_in.MINILM_SHA256, "student_layers": [1, 4],
        "layer_map": [[1, 3], [2, 6]], "precision": "float32", "max_length": 64,
        "teacher": {
            "epochs": 1, "learning_rate": 1e-4, "batch_size": 32, "warmup": 0.1, "weight_decay": 0.01, "rows": None,
        },
    }  # fmt: skip
    assert set(MINILM.hparams("kd", 8)) == {
        "learning_rate", "steps", "batch_size", "warmup", "weight_decay", "kl_weight", "temperature", "layer_weight",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher_side": Side("minilm", "0" * 64)}, {"student_side": Side("minilm", "0" * 64, layers=(1, 4))},
        {"student_side": replace(MINILM.student_side, layers=(0, 4))}, {"freeze_embeddings": False},
        {"teacher_side": replace(MINILM.teacher_side, pooling="first")},
        {"student_side": replace(MINILM.student_side, pooling="last")},
        {"teacher_side": replace(MINILM.teacher_side, revision="c")}, {"layer_map": ((1, 3),)}, {"max_length": 32},
        {"teacher": replace(MINILM.teacher, adam_epsilon=1e-6)}, {"precision": "bfloat16"},
        {"teacher_side": replace(MINILM.teacher_side, layers=(0, 1))}, {"keeps_wrong": True},
        {"teacher": replace(MINILM.teacher, noise=0.1)}, {"teacher": replace(MINILM.teacher, noise=0.1, noisy=1)},
    ],
)  # fmt: skip
def test_whatever_changes_the_models_changes_the_identity(changes: dict[str, object]) -> None:
    assert replace(MINILM, **changes).identity() != MINILM.identity()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"name": "x"}, {"title": "x"}, {"effort": 9.0}, {"recipe": Recipe(1.0, {4: 1})}, {"variants": {}}]
)
def test_names_and_recipes_are_no_part_of_it(changes: dict[str, object]) -> None:
    assert replace(MINILM, **changes).identity() == MINILM.identity()  # type: ignore[arg-type]


def test_the_student_is_no_part_of_the_teachers_identity() -> None:
    other = replace(MINILM, student_side=Side("hub:a/b"), layer_map=(), freeze_embeddings=False)
    assert other.teacher_identity() == MINILM.teacher_identity()
    assert other.identity() != MINILM.identity()


def test_keeping_rows_is_no_part_of_the_teachers_identity_and_noise_is() -> None:
    kept = replace(MINILM, keeps_wrong=True)
    assert kept.teacher_identity() == MINILM.teacher_identity()
    noisy = replace(kept, teacher=replace(kept.teacher, noise=0.2))
    assert noisy.teacher_identity() != kept.teacher_identity()
    assert {"noise", "noisy"}.isdisjoint(MINILM.identity()["teacher"])


def test_a_student_evaluated_in_bfloat16_says_so_and_its_teacher_does_not() -> None:
    rounded = replace(MINILM, precision="bfloat16")
    assert rounded.identity()["evaluated_in"] == "bfloat16"
    assert "evaluated_in" not in rounded.teacher_identity()
    assert "evaluated_in" not in MINILM.identity()


def test_where_a_folder_lies_is_no_part_of_the_identity() -> None:
    one, other = (Side(f"path:/{place}", "ab") for place in ("here", "there"))
    assert replace(MINILM, teacher_side=one).identity() == replace(MINILM, teacher_side=other).identity()


def test_steps_are_those_of_the_largest_floor() -> None:
    recipe = Recipe(1e-3, {8: 40, 64: 80})
    assert [recipe.steps_at(k) for k in (8, 32, 64, 512)] == [40, 40, 80, 80]
    with pytest.raises(UsageError, match="starts at k=8"):
        recipe.steps_at(4)


def test_epochs_become_steps_and_first_stages_have_their_own() -> None:
    recipe = Recipe(6e-5, epochs=40, filter_epochs=50, filter_learning_rate=2e-5)
    assert [recipe.steps_at(k) for k in (4, 8, 12, 512)] == [40, 40, 80, 2560]
    found = recipe.hparams(12)
    assert (found["steps"], found["filter_steps"], found["filter_learning_rate"]) == (80, 100, 2e-5)
    assert "adam_epsilon" not in found
    assert Recipe(1e-5, epochs=1, adam_betas=(0.9, 0.98)).hparams(8)["adam_betas"] == [0.9, 0.98]


def test_a_rate_to_be_chosen_is_told() -> None:
    open_ = replace(MINILM, recipe=Recipe(None, epochs=10, rates=(1e-5,)), recipes={})
    with pytest.raises(UsageError, match="run `cod-bench recipe --track minilm-fp32 --method kd` first"):
        open_.hparams("kd", 8)


def test_a_teachers_citation_is_no_part_of_its_identity() -> None:
    assert TeacherRecipe(1, 1e-4, source="a").identity() == TeacherRecipe(1, 1e-4).identity()

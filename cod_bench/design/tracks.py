"""Names -> tracks: the built-in ones as data, those that users make of two models, and variants by recipe. No torch."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

from cod_bench.data import checkpoints as sources
from cod_bench.data import locks, tokens
from cod_bench.design.built_in import DEFAULT_RECIPE, TRACKS, _by_family
from cod_bench.errors import RunError, UsageError, plain, unknown
from cod_bench.registry import NAME
from cod_bench.spec import PROTOCOLS
from cod_bench.store import UNFIT, home, lock, settings, stamped, write_atomic
from cod_bench.track import LARGEST_SEED, Pooling, Precision, Side, Track, of_teacher, with_teacher

LARGEST_MODEL = 10**13
LARGEST = 1 << 20
"""No layer number and no length of a track is larger."""

# The paper's pairs (Hamman et al., arXiv 2510.21631). Its appendix C.4 and its released scripts (FaisalHamman/CoD at
# 355b1f0) disagree on the students: `scripts` is what was executed, `paper-c4` what is written.


def track(name: str) -> Track:
    """The track of that name, built in or `define`d, or `<track>+<recipe>`; hub models as far as they are pinned.

    With `@<seed>` behind it, the track with the teacher of that seed.

    Raises:
        UsageError: an unknown name, with the nearest one.
    """
    plain_name, seed = of_teacher(name)
    base, plus, recipe = plain_name.partition("+")
    found = TRACKS.get(base) or _made(base)
    if found is None:
        error = unknown("track", base, names())
        raise UsageError(f"{error}; a track of your own is made by --track {base} --teacher MODEL --student MODEL")
    found = replace(
        found, teacher_side=sources.known(found.teacher_side), student_side=sources.known(found.student_side)
    )
    found = _variant(found, recipe) if plus else found
    if not seed:
        return found
    return replace(found, name=name, title=f"{found.title}; teacher seed {seed}", teacher_seed=seed)


def keeps_wrong(protocol: str, name: str) -> bool:
    """Whether draws keep rows that the teacher gets wrong: by the protocol, or since the track has it so.

    Args:
        name: of a track; one that nobody knows has it not.
    """
    known = TRACKS.get(of_teacher(name)[0].partition("+")[0])
    return PROTOCOLS[protocol].reference_habits or (known is not None and known.keeps_wrong)


def names() -> tuple[str, ...]:
    """Built-in tracks and those that the user made."""
    return (*TRACKS, *(file.stem for file in sorted(_folder().glob("*.json")) if NAME.fullmatch(file.stem)))


def is_own(name: str) -> bool:
    """Whether the user made that track: any suite then runs on it."""
    base = of_teacher(name)[0].partition("+")[0]
    return base not in TRACKS and (_folder() / f"{base}.json").is_file()


def exists(name: str) -> bool:
    """Whether `track` knows that name."""
    base, plus, recipe = of_teacher(name)[0].partition("+")
    return base in names() and (not plus or recipe in track(base).variants)


def pin(name: str) -> Track:
    """The track with both models pinned; hub models seen for the first time are fetched.

    Raises:
        UsageError: an unknown name, or a model that cannot be used. RunError: the hub cannot be reached.
    """
    found = track(name)
    if found.pinned:
        return found
    return replace(
        found, teacher_side=sources.resolve(found.teacher_side), student_side=sources.resolve(found.student_side)
    )


def define(
    name: str, teacher: str, student: str, layer_map: str = "", *, max_length: int | None = None, precision: str = "",
    teacher_epochs: int | None = None,
) -> Track:  # fmt: skip
    """Make a track of two models and keep it under its name; making it again with other models replaces it.

    Args:
        teacher, student: folders written by save_pretrained, or hub ids. Both are starting points: heads are drawn
            anew, and the teacher is fine-tuned on each task.
        layer_map: "1:3,2:6": student layer 1 to teacher layer 3 and so on; spread evenly if empty.
        max_length: tokens a text is cut at; 256 if None.
        precision: float32 (default) or bfloat16.
        teacher_epochs: passes of the teacher's fine-tuning over the training pool; those of its recipe if None.

    Raises:
        UsageError: a name that is taken or odd, a model that cannot be used, a layer that is not there.
    """
    if name in TRACKS or not NAME.fullmatch(name):
        raise UsageError(
            f"--track {name!r}: with --teacher and --student, choose a new name of letters, digits, _ or -"
        )
    if precision not in ("", "float32", "bfloat16"):
        raise UsageError(f"--precision {precision!r}: choose float32 or bfloat16")
    sides = sources.side_of(teacher, "--teacher"), sources.side_of(student, "--student")
    folders = [sources.folder(side) for side in sides]
    depths = [sources.layers_of(folder) for folder in folders]
    aligned = sides[0].same_model(sides[1]) or tokens.same(*folders)
    pairs = _pairs(layer_map, teacher=depths[0], student=depths[1], aligned=aligned)
    values = {
        "title": f"{folders[0].name if sides[0].weights == 'local' else teacher} -> "
        f"{folders[1].name if sides[1].weights == 'local' else student}",
        "teacher": asdict(sides[0]), "student": asdict(sides[1]), "layer_map": pairs, "aligned": aligned,
        "precision": precision or "float32", "max_length": max_length or 256,
        "sizes": [sources.parameters(folder) for folder in folders],
        **({} if teacher_epochs is None else {"teacher_epochs": teacher_epochs}),
    }  # fmt: skip
    write_atomic(_folder() / f"{name}.json", stamped(values))
    return track(name)


def chosen(
    name: str, teacher: str, student: str, layer_map: str, max_length: int | None, precision: str, recipe: str,
    teacher_epochs: int | None = None, teacher_seed: int | None = None,
) -> str:  # fmt: skip
    """The track that a command line names: `define`d first if it names models, with the recipe as its suffix and the
    seed of its teacher behind that.

    Raises:
        UsageError: options that do not go together, or as `define` and `track`.
    """
    if teacher or student:
        if not (name and teacher and student):
            raise UsageError("--teacher and --student make a track of two models; give both and --track NAME")
        more = {"max_length": max_length, "precision": precision, "teacher_epochs": teacher_epochs}
        define(name, teacher, student, layer_map, **more)  # type: ignore[arg-type]
    elif layer_map or max_length or precision or teacher_epochs:
        raise UsageError(
            "--layer-map, --max-length, --precision and --teacher-epochs belong to a new track; give --teacher and "
            "--student"
        )
    if teacher_seed:
        if not name or of_teacher(name)[1]:
            raise UsageError(f"--teacher-seed {teacher_seed}: name the --track whose teacher it is of, without a seed")
        if teacher_seed > LARGEST_SEED:
            raise UsageError(f"--teacher-seed {teacher_seed}: choose at most {LARGEST_SEED}")
        name = with_teacher(name, teacher_seed)
    if not recipe:
        return name
    if not name:
        raise UsageError(f"--recipe {recipe}: name the --track that is trained by it")
    own = track(name).variants.get(recipe)
    if teacher_epochs and own is not None and own.teacher is not None:
        raise UsageError(
            f"--teacher-epochs {teacher_epochs}: recipe {recipe!r} fits teachers in its own way (epochs: "
            f"{own.teacher.epochs}); leave one of the two out"
        )
    before, seed = of_teacher(name)
    full = before if recipe == DEFAULT_RECIPE and track(name).variants else f"{before}+{recipe}"
    return track(with_teacher(full, seed)).name


def keep_rate(name: str, method: str, rate: float) -> None:
    """Keep the learning rate that `cod-bench recipe` chose for a method on a track."""
    file = _rates_file()
    with lock(file.parent / ".rates.lock"):  # another process may choose for another method meanwhile
        kept = {**rates(own=True), f"{name}/{method}": rate}
        write_atomic(file, stamped(kept))


def _variant(found: Track, name: str) -> Track:
    """The track trained by another of its recipes."""
    if name not in found.variants:
        raise unknown(f"recipe of track {found.name!r}", name, found.variants)
    full = f"{found.name}+{name}"
    chosen = found.variants[name]
    own = {key.partition("/")[2]: rate for key, rate in rates().items() if key.partition("/")[0] == full}
    by_method = {
        method: replace(chosen.by_method.get(method, chosen.recipe), learning_rate=rate) for method, rate in own.items()
    }
    return replace(
        found, name=full, title=f"{found.title}; recipe {name}", recipe=chosen.recipe,
        recipes={**chosen.by_method, **by_method}, teacher=chosen.teacher or found.teacher,
    )  # fmt: skip


def _made(name: str) -> Track | None:
    """A track that the user made; None if there is none of that name."""
    file = _folder() / f"{name}.json"
    if not file.is_file():
        return None
    try:
        kept = settings(file)
        teacher, student = (_side(kept[side]) for side in ("teacher", "student"))
        precision: Precision = kept["precision"]
        layer_map = tuple((_count(own), _count(other)) for own, other in kept["layer_map"])
        if precision not in get_args(Precision):
            raise ValueError("precision is none of those there are")
        sizes = tuple(_count(value, LARGEST_MODEL) for value in kept.get("sizes", ()))
        made = _by_family(
            name, plain(kept["title"]), teacher, student, layer_map,
            precision=precision, max_length=_count(kept["max_length"]), aligned=bool(kept["aligned"]),
            sizes=(sizes[0], sizes[1]) if sizes else None,
        )  # fmt: skip
        if "teacher_epochs" not in kept:
            return made
        return replace(made, teacher=replace(made.teacher, epochs=_count(kept["teacher_epochs"])))
    except (*UNFIT, OSError) as error:
        raise RunError(
            f"track file {file} is corrupt ({plain(error)[:200]}); name --track {name} --teacher --student again"
        ) from error


def _side(kept: Any) -> Side:
    """One side of a track file; whatever a wrong one raises is of UNFIT."""
    words = {key: value for key, value in kept.items() if key != "layers"}
    side = Side(**words)
    if odd := [key for key, value in words.items() if not isinstance(value, str) or plain(value) != value]:
        raise ValueError(f"{odd[0]} is no word")
    if side.pooling not in get_args(Pooling):
        raise ValueError("pooling is none of those there are")
    return side


def _count(value: Any, most: int = LARGEST) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"a layer, length or size is no number from 1 to {most}")
    return value


def _pairs(text: str, *, teacher: int, student: int, aligned: bool) -> list[tuple[int, int]]:
    """The layer map that a user wrote or, if none, every student layer spread evenly over the teacher's."""
    if not text:
        if not aligned:
            return []  # token by token there is nothing to compare
        used = min(student, teacher)
        return [(-(-student * i // used), -(-teacher * i // used)) for i in range(1, used + 1)]
    pairs = []
    for word in text.split(","):
        own, colon, other = word.strip().partition(":")
        if not (colon and own.isdecimal() and other.isdecimal()):
            raise UsageError(f"--layer-map {text!r}: write student:teacher pairs such as 1:3,2:6")
        if not (1 <= int(own) <= student and 1 <= int(other) <= teacher):
            raise UsageError(
                f"--layer-map {word.strip()}: the student has layers 1 to {student} and the teacher 1 to {teacher}"
            )
        pairs.append((int(own), int(other)))
    if len({own for own, _ in pairs}) < len(pairs):
        raise UsageError(f"--layer-map {text!r}: names a student layer twice; map each at most once")
    return pairs


def _folder() -> Path:
    return home() / "tracks"


def _rates_file() -> Path:
    return home() / "locks" / "rates.json"


def rates(*, own: bool = False) -> dict[str, float]:
    """Chosen learning rates; those of the committed lock file count before this machine's `own`."""
    before: dict[str, float] = {} if own else locks.committed("rates")
    file = _rates_file()
    if not file.exists():
        return before
    try:
        found: dict[str, float] = settings(file)
    except ValueError as error:
        raise RunError(
            f"file of chosen learning rates {file} is corrupt ({error}); delete it and choose again"
        ) from error
    return {**found, **before}

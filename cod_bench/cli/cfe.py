"""`cod-bench cfe ...` -> one function of purchase or its neighbours, its lines printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cod_bench import device as devices
from cod_bench import registry
from cod_bench.cli import beat, given
from cod_bench.cli.options import (
    DEFAULT_RESULTS,
    AttemptsOption,
    BaseUrlOption,
    ConditionOption,
    DataOption,
    DeviceOption,
    GeneratorOption,
    KOption,
    MethodOption,
    ModelOption,
    PairsOption,
    PluginOption,
    ProtocolOption,
    RequestTimeoutOption,
    ResultsOption,
    SeedOption,
    SuiteOption,
    TaskOption,
    TrackOption,
    YesOption,
)
from cod_bench.cli.terminal import COLOURS, say
from cod_bench.cli.verbs import App
from cod_bench.counterfactuals import diff
from cod_bench.counterfactuals import pool as pools
from cod_bench.counterfactuals import purchase as cfes
from cod_bench.data import origin
from cod_bench.design import suites, tracks
from cod_bench.design.filters import suite_for
from cod_bench.errors import UsageError, plain
from cod_bench.generator import Terms
from cod_bench.runner import plan as plans
from cod_bench.store import usable_home

if TYPE_CHECKING:
    from cod_bench.generator import Bill
    from cod_bench.training.teacher import Teacher

verbs = App(help="Counterfactuals: make, judge, show, compare.")

BudgetOption = Annotated[str, typer.Option("--budget", help="Of this command: 500 (requests), 5usd, or 500,5usd.")]
ConcurrencyOption = Annotated[int, typer.Option("--concurrency", min=1, max=256, help="Requests at once.")]
RateOption = Annotated[float, typer.Option("--rate", min=0, help="At most so many requests a minute; 0 is no limit.")]
BatchOption = Annotated[bool, typer.Option("--batch", help="Through the Batch API: cheaper, within a day, resumable.")]
PollOption = Annotated[float, typer.Option("--poll", min=0.05, help="Seconds between looks at a batch.")]
OneTaskOption = Annotated[str, typer.Option("--task", help="Task whose texts and teacher are taken.")]
OneTrackOption = Annotated[str, typer.Option("--track", help="Track of the teacher; this machine's default if empty.")]
DevOption = Annotated[bool, typer.Option("--dev", help="Texts of the dev split, on which nothing is trained.")]
TextsOption = Annotated[int, typer.Option("--texts", min=1, help="So many originals, those of the seed's slots.")]
OneSeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw.")]


@verbs.command()
def generate(
    suite: SuiteOption = suites.DEFAULT_SUITE, results: ResultsOption = DEFAULT_RESULTS,
    protocol: ProtocolOption = None, track: TrackOption = "", task: TaskOption = None, method: MethodOption = None,
    condition: ConditionOption = None, k: KOption = None, seed: SeedOption = None, generator: GeneratorOption = "",
    model: ModelOption = "", base_url: BaseUrlOption = "", pairs: PairsOption = None, attempts: AttemptsOption = "",
    yes: YesOption = False, budget: BudgetOption = "", concurrency: ConcurrencyOption = 8, rate: RateOption = 0.0,
    request_timeout: RequestTimeoutOption = "", batch: BatchOption = False, poll: PollOption = 60.0,
    export: Annotated[Path | None, typer.Option("--export", help="Also write the pairs to this JSONL file.")] = None,
    device: DeviceOption = "cpu",
    data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Make the counterfactuals that a suite's missing runs need; paid ones after an estimate and a yes.

    Ctrl-C or a failure loses nothing that was answered; the same command goes on.
    """
    from cod_bench.counterfactuals import pairs as pair_files

    given.plugins(plugin, data)
    devices.ask(device)
    given.endpoint(model, base_url, pairs, False, attempts, request_timeout)
    filters = given.filters(protocol, track, task, method, condition, k, seed, generator)
    chosen = suite_for(suite, filters)
    given.apply([chosen.generator])
    terms = _terms(budget, concurrency, rate, batch, poll)
    if export is not None:
        given.out_file("--export", export)
    made = plans.make(chosen, filters, given.results_folder(results))
    needs = cfes.needs(planned.spec for planned in made.runs if planned.state != "done")
    if not needs:
        say("nothing to make: every run that needs counterfactuals is done")
        return
    usable_home()
    names = sorted({need.generator for need in needs})
    given.ready(names, {need.task for need in needs}, buys=True)
    devices.set_threads()
    with beat.step(f"counterfactuals by {', '.join(names)} of {len(needs)} draws", _say):
        ready = cfes.generate(needs, terms, lambda found: _confirm(found, yes=yes))
    for one in ready:
        say(
            f"{one.need.task} seed={one.need.seed}{' with teacher-wrong rows' if one.need.kept_wrong else ''}: "
            f"{one.valid} of {one.slots} counterfactuals by {one.need.generator} valid, "
            f"{one.first_flips} first answers flip"
        )
    if export:
        say(f"wrote {pair_files.write(export, cfes.exported(needs))} pairs to {export}")


@verbs.command()
def validate(
    task: OneTaskOption, track: OneTrackOption = "", generator: GeneratorOption = "substitution",
    pairs: PairsOption = None,
    texts: TextsOption = 20, seed: OneSeedOption = 0,
    longest: Annotated[int, typer.Option("--longest", min=0, help="Only pairs of so short originals; 0: all.")] = 0,
    dev: DevOption = False,
    model: ModelOption = "", base_url: BaseUrlOption = "", attempts: AttemptsOption = "", device: DeviceOption = "cpu",
    data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """What a task's teacher says of a generator's counterfactuals, or of every pair of a file named by --pairs."""
    from cod_bench.counterfactuals import pairs as pair_files

    given.plugins(plugin, data)
    devices.ask(device)
    given.endpoint(model, base_url, attempts=attempts)
    if pairs is not None:
        other = ("generator", "texts", "seed", "dev", "model", "base_url", "attempts")
        given.only("with --pairs, every pair of which is judged", *other)
        given.pairs_file(pairs)
        found = [p for p in pair_files.read(pairs).pairs if not longest or len(p.original) <= longest]
        if not found:
            raise UsageError(f"--longest {longest}: no original of {pairs} is as short; choose more characters")
        where, task = _chosen(track, task, []), origin.named(task)
        _teacher(where, task)
        _table([(pairs.name, _figures(where, task, cfes.of_pairs(where, task, found)))])
        return
    given.only("without --pairs", "longest")
    given.apply([generator])
    where, task = _chosen(track, task, [generator]), origin.named(task)
    _teacher(where, task)
    slots = cfes.slots_known(where, task, seed, texts, [generator], dev=dev)
    cfes.buy_cases(where, task, [generator], slots, Terms(), _refuse)
    _table([(generator, _figures(where, task, cfes.cases(where, task, generator, slots)))])


@verbs.command()
def inspect(
    task: OneTaskOption, track: OneTrackOption = "", generator: GeneratorOption = "substitution",
    pairs: PairsOption = None, texts: TextsOption = 5, seed: OneSeedOption = 0, dev: DevOption = False,
    model: ModelOption = "", base_url: BaseUrlOption = "", attempts: AttemptsOption = "", device: DeviceOption = "cpu",
    data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Originals and counterfactuals as word diffs, in colour on a terminal (NO_COLOR=1 turns it off)."""
    from cod_bench.counterfactuals import warm

    given.plugins(plugin, data)
    devices.ask(device)
    given.endpoint(model, base_url, pairs, False, attempts)
    given.apply([generator])
    where, task = _chosen(track, task, [generator]), origin.named(task)
    if not dev and _kept(where if track else "", task, generator, seed, texts):
        return
    judge, classes = _teacher(where, task), warm.corpus(task).task.classes
    slots = cfes.slots_known(where, task, seed, texts, [generator], dev=dev)
    cfes.buy_cases(where, task, [generator], slots, Terms(), _refuse)
    for case in cfes.cases(where, task, generator, slots):
        original, target = case.slot.original, case.slot.target
        shown = case.cfe or next(iter(case.answer.attempts), case.answer.first)
        p = [judge.probability(text, target) for text in (original.text, shown)]
        _drawn(original.text, shown, classes[original.label], classes[target], p, valid=case.cfe is not None)


@verbs.command("try")
def try_texts(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts of your own, each in quotes.")] = None,
    task: Annotated[str, typer.Option("--task", help="Task whose teacher is asked.")] = "rt_quotes",
    track: OneTrackOption = "", generator: GeneratorOption = "substitution",
    out: Annotated[Path | None, typer.Option("--out", help="Also keep them in this JSON file, beside others.")] = None,
    again: Annotated[
        Path | None, typer.Option("--again", help="Instead of texts: such a file, all of which is made anew.")
    ] = None,
    model: ModelOption = "", base_url: BaseUrlOption = "", attempts: AttemptsOption = "",
    request_timeout: RequestTimeoutOption = "", yes: YesOption = False, device: DeviceOption = "cpu",
    data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Counterfactuals of texts of your own, with what the task's teacher says before and after."""
    from cod_bench.counterfactuals import tried
    from cod_bench.store import write_atomic

    given.plugins(plugin, data)
    devices.ask(device)
    given.endpoint(model, base_url, attempts=attempts, timeout=request_timeout)
    if bool(texts) == bool(again):
        raise UsageError('TEXTS: name some, such as "A film that stays with you.", or a file of them by --again')
    for option, file in (("--out", out), ("--again", again)):
        if file is not None and given.out_file(option, file).suffix != ".json":
            raise UsageError(f"{option} {file}: the name must end in .json")
    target = out
    if again is not None:
        kept, target = tried.read(again), out or again
        for asked in dict.fromkeys((one.track, one.task, one.generator) for one in kept):
            _teacher(_chosen(asked[0], asked[1], asked[2:], buys=True), asked[1])
        found = tried.again(kept)
    else:
        given.apply([generator])
        where = _chosen(track, task, [generator], buys=True)
        _teacher(where, task)
        originals = tried.slots(where, task, list(dict.fromkeys(texts or ())))
        cfes.buy_cases(where, task, [generator], originals, Terms(tell=_say), lambda bill: _confirm(bill, yes=yes))
        found = tried.tried(where, task, generator, originals)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for one in found:
        state = "" if one.valid else ", NOT VALID"
        say(f"{one.before.name} {one.before.p:.3f} -> {one.after.name} {one.after.p:.3f}{state}")
        words = diff.words(plain(one.text), plain(one.counterfactual))
        say(f"  {diff.drawn(words, colour=colour)}", keep=COLOURS)
    if target is not None:
        beside = tried.read(target) if again is None and target.is_file() else []
        write_atomic(target, tried.to_json(tried.added(beside, found)))
        say(f"wrote {target}")


@verbs.command()
def compare(
    task: OneTaskOption, generator: GeneratorOption = "substitution,llm", track: OneTrackOption = "",
    pairs: PairsOption = None, texts: TextsOption = 20, seed: OneSeedOption = 0, dev: DevOption = False,
    fluency: Annotated[Path | None, typer.Option("--fluency", help="Folder of a causal language model.")] = None,
    similarity: Annotated[Path | None, typer.Option("--similarity", help="Folder of an encoder.")] = None,
    model: ModelOption = "", base_url: BaseUrlOption = "", attempts: AttemptsOption = "", yes: YesOption = False,
    budget: BudgetOption = "", concurrency: ConcurrencyOption = 8, rate: RateOption = 0.0,
    request_timeout: RequestTimeoutOption = "", batch: BatchOption = False, poll: PollOption = 60.0,
    device: DeviceOption = "cpu",
    data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Several generators on the same texts: those of a seed's slots that all of them can answer for."""
    from cod_bench.counterfactuals import figures

    given.plugins(plugin, data)
    devices.ask(device)
    given.endpoint(model, base_url, pairs, False, attempts, request_timeout)
    names = list(dict.fromkeys(given.words("generator", generator)))
    given.apply(names)
    terms = _terms(budget, concurrency, rate, batch, poll)
    for option, folder in (("--fluency", fluency), ("--similarity", similarity)):
        if folder is not None and not (folder / "config.json").is_file():
            raise UsageError(f"{option} {folder}: holds no config.json; name the folder of a saved model")
    where, task = _chosen(track, task, names, buys=True), origin.named(task)
    scorers = {
        "fluency": figures.perplexity_ratio(fluency) if fluency else None,
        "similarity": figures.embedding_cosine(similarity) if similarity else None,
    }
    _teacher(where, task)
    slots = cfes.slots_known(where, task, seed, texts, names, dev=dev)
    cfes.buy_cases(where, task, names, slots, terms, lambda quoted: _confirm(quoted, yes=yes))
    _table([(name, _figures(where, task, cfes.cases(where, task, name, slots), **scorers)) for name in names])


@verbs.command()
def originals(
    pairs: Annotated[Path, typer.Option("--pairs", help="JSONL of pairs with original_label.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, DIR/<task>/train.jsonl of a local task.")],
    longest: Annotated[int, typer.Option("--longest", help="Leave out longer originals; 0 is none.")] = 0,
) -> None:
    """Write the originals of a file of pairs as the training rows of a local task, so that each has its pair."""
    from cod_bench.counterfactuals import pairs as pair_files

    given.pairs_file(pairs)
    given.out_folder("--out", out.parent)
    rows = pair_files.write_originals(out, pair_files.read(pairs).pairs, longest or None)
    say(f"wrote {rows} rows to {out}; put a test.jsonl beside it")


@verbs.command()
def serve(
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8123,
    asset: Annotated[str, typer.Option("--asset", help="GGUF asset for llama.cpp's server (extra local-llm).")] = "",
) -> None:
    """Serve a model on this machine as an OpenAI-compatible endpoint without a key: weak SmolLM2, or --asset."""
    from cod_bench.counterfactuals import serve as server

    if asset:
        return server.serve_gguf(asset, port, devices.cores(), say)
    raise typer.Exit(server.serve(port, say))


def _kept(track: str, task: str, generator: str, seed: int, texts: int) -> bool:
    """Show what the cache folder holds of a task with two classes, and whether it held enough: no model is loaded.

    Without a track any of the default suite's that has a teacher here will do.
    """
    made, corpus = registry.load("generator", generator), origin.at_hand(task)
    names = [track] if track else suites.suite(suites.DEFAULT_SUITE).tracks
    if corpus is None or len(corpus.task.classes) != 2 or made.costly:
        return False
    classes, rows = corpus.task.classes, {row.id: row for row in corpus.train}
    for name in names:
        found = pools.at_hand(tracks.track(name), corpus, made, seed, texts)
        # of a slot without a valid one the last attempt is shown, which is not kept
        if len(found) == texts and all(entry.id in rows and entry.cfe is not None for entry in found):
            _say(f"teacher of {task} on {name}: what it said of these texts is kept here")
            for entry in found:
                row = rows[entry.id]
                # of two classes p(target) - p(the other) tells p(target)
                p = [(1 + margin) / 2 for margin in (entry.margin, entry.margins["cfe"])]
                _drawn(row.text, str(entry.cfe), classes[row.label], classes[entry.target], p, valid=True)
            return True
    return False


def _drawn(original: str, shown: str, label: str, target: str, p: Sequence[float], *, valid: bool) -> None:
    """A pair as two lines: what the teacher says of both, and the words that differ."""
    say(f"{label} -> {target}, {'valid' if valid else 'NOT VALID'}, p({target}) {p[0]:.3f} -> {p[1]:.3f}")
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    say(f"  {diff.drawn(diff.words(plain(original), plain(shown)), colour=colour)}", keep=COLOURS)


def _chosen(track: str, task: str, generators: Sequence[str], *, buys: bool = False) -> str:
    """The track that is meant; whatever nobody knows or lacks is told before a teacher is fitted.

    Raises:
        UsageError: an unknown name, a generator that cannot answer, or a cache folder that cannot be used.
    """
    origin.find(task)
    named = tracks.track(track).name if track else suites.suite(suites.DEFAULT_SUITE).choose_track()
    given.ready(generators, [task], buys=buys)
    usable_home()
    return named


def _teacher(track: str, task: str) -> Teacher:
    """The task's teacher, whose fitting may take minutes."""
    from cod_bench.counterfactuals import warm

    with beat.step(f"teacher of {task} on {track}", _say):
        return warm.teacher(track, task)


def _say(line: str) -> None:
    say(line, err=True)


def _terms(budget: str, concurrency: int, rate: float, batch: bool, poll: float) -> Terms:
    requests, dollars = given.parse_budget(budget) if budget else (None, None)
    return Terms(
        concurrency=concurrency, per_minute=rate or None, requests=requests, dollars=dollars, batch=batch, poll=poll,
        tell=_say,
    )  # fmt: skip


def _confirm(found: Sequence[Bill], *, yes: bool) -> None:
    """Show what is to be bought and ask.

    Raises:
        UsageError: nobody is there to be asked, or the answer is no.
    """
    bill = cfes.total(found)
    say(f"to be asked for: {cfes.told(bill)}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("requests are to be sent and nobody can be asked here; add --yes to send them")
    if not typer.confirm("Send these requests?", err=True):
        raise UsageError("nothing was sent; add --yes to send without being asked")


def _refuse(found: Sequence[Bill]) -> None:
    raise UsageError(
        f"{cfes.total(found).texts} of these texts have no kept answers; buy them with `cod-bench cfe compare --yes` "
        "and the same options, or `cod-bench cfe generate`"
    )


def _figures(track: str, task: str, found: Sequence[cfes.Case], **scorers: Any) -> Any:
    from cod_bench.counterfactuals import warm
    from cod_bench.counterfactuals.figures import figures

    return figures(found, warm.teacher(track, task), [row.text for row in warm.corpus(task).train], **scorers)


def _table(found: Sequence[tuple[str, Any]]) -> None:
    from tabulate import tabulate

    from cod_bench.counterfactuals.figures import rows

    heading, *body = rows(found)
    say(*tabulate(body, heading, tablefmt="github", disable_numparse=True).split("\n"))

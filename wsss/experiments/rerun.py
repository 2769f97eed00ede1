"""Makes a record's numbers anew from what it says of itself, and tells whether they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from wsss.checks import settings_from
from wsss.config import Config, config_hash
from wsss.depth.declared import declarations, take_inline
from wsss.depth.specs import innermost, resolve_place, with_innermost
from wsss.errors import WsssError
from wsss.experiments.evaluate import evaluate_folder
from wsss.experiments.outcome import Outcome, compared_facts
from wsss.experiments.plan import RESULT_LABELS, RESULT_METHODS
from wsss.experiments.results import write_stage
from wsss.io import file_hash, read_json
from wsss.machine.contents import weights_hash
from wsss.methods.names import MethodName
from wsss.paths import runs_folder
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile
from wsss.records.record import Record
from wsss.records.store import FULL_SUPERVISION, STAGES, full_name

__all__ = ["name_of_method", "rerun_record", "settings_of_record"]


def settings_of_record(path: Path, record: Record) -> Config:
    """The configuration that a record was made with, its first seed's, without the place of the data.

    A record that does not keep its settings was made with those of its profile, or cannot be made anew.

    Raises:
        WsssError: the settings are of another version of the code.
    """
    settings = record["provenance"].get("settings")
    if settings is None:
        data = record["data"] if record["data"] in RESULT_METHODS else "voc"
        config = profile(record["profile"], data, seed=record["seeds"][0])
    else:
        try:
            config = settings_from(Config, {**settings, "seed": record["seeds"][0]})
        except (WsssError, TypeError) as error:
            raise WsssError(f"{path} cannot be made anew by this code: {error}. Check out its commit.") from error
    if config_hash(config) != record["provenance"]["config_sha256"]:
        commit = record["provenance"].get("commit")
        raise WsssError(f"{path} was made with settings that are not this code's. Check out its commit, {commit}.")
    return config


def rerun_record(
    path: Path,
    *,
    root: Path | None = None,
    depth: str | None = None,
    sources: Sequence[str] = (),
    checkpoint: Path | None = None,
    cache: Path | None = None,
    progress: bool = True,
) -> Outcome:
    """Make a record anew, every stage of it, and compare.

    Args:
        path: of the record.
        root: folder of the data, which no record knows; None for rendered data.
        depth: the record's depth source where its files are not in the data's folder.
        sources: `NAME=files:DIR`, where sources of methods lie, under their names in the record.
        checkpoint: of a record of `wsss evaluate`.
        cache: folder of the stages; None is `runs/rerun/` with a folder for each record.

    Raises:
        WsssError: it is no such record, its settings are not this code's, or the data or checkpoint is another.
    """
    record = _read(path)
    asked = _Asked(path, record, root, depth, sources, progress)
    with TemporaryDirectory(prefix="wsss-rerun-") as folder:
        if record["profile"] == "evaluate":
            new = _evaluated(asked, Path(folder), checkpoint)
        else:
            own = cache or runs_folder() / "rerun" / f"{path.stem}-{file_hash(path)[:12]}"
            new = _made(asked, Path(folder), own)
    return Outcome(record, new, tuple(compared_facts(record, new)))


@dataclass(frozen=True)
class _Asked:
    """What `rerun_record` is asked for; see its arguments."""

    path: Path
    record: Record
    root: Path | None
    depth: str | None
    sources: Sequence[str]
    progress: bool

    @property
    def place(self) -> str | None:
        """The folder of the data as settings have it."""
        return str(self.root.resolve()) if self.root else None


def _read(path: Path) -> Record:
    record = read_json(path)
    if not isinstance(record, dict) or record.get("stage") not in STAGES or "provenance" not in record:
        raise WsssError(f"{path} is no record of a stage ({', '.join(STAGES)}), which are what can be made anew.")
    return cast(Record, record)


def _made(asked: _Asked, folder: Path, cache: Path) -> Record:
    path, record, depth, sources = asked.path, asked.record, asked.depth, asked.sources
    config = settings_of_record(path, record)
    if depth and (name := innermost(config.depth)) in config.depths.declared:
        sources = (*sources, f"{name}={innermost(take_inline(depth)[0])}")  # the run's depth keeps its name
        depth = None
    config = _placed(path, config, declarations(sources))
    config = replace(config, root=asked.place, depth=resolve_place(depth or config.depth, asked.place))
    name = name_of_method(path, record, config)
    methods = () if name == FULL_SUPERVISION else (name,)
    match record["stage"]:
        case "cam":
            config = replace(config, methods=methods)
        case "pseudo":
            config = replace(config, pseudo_methods=methods)
        case _:
            config = replace(config, label_methods=methods)
    runs = [Run(replace(config, seed=seed), cache, progress=asked.progress) for seed in record["seeds"]]
    runs[0].require_apart(cache, inputs=[path], remedy="Give another folder with --cache.")
    if runs[0].data_hash(record["stage"]) != record["provenance"]["data_sha256"]:
        raise WsssError(f"the data is not that of {path}. Give its folder with --root, or restore it.")
    made = write_stage(runs, record["stage"], folder)
    return _same(path, record, made)


def _placed(path: Path, config: Config, places: Mapping[str, str]) -> Config:
    """`config` with the places of some of its sources, by their names in records.

    Raises:
        WsssError: there is no such source; the message names those there are.
    """
    depths = config.depths
    short = {name: plain for plain, name in depths.names(config.method_sources()).items()}
    unknown = next((name for name in places if name not in short), None)
    if unknown is not None:
        raise WsssError(
            f"{path} has no depth source {unknown!r}; it has {', '.join(short) or 'none'} (--source NAME=files:DIR)"
        )

    def named(source: str) -> str:
        """The source by its name, so that another place does not change what it is called."""
        plain = innermost(source)
        name = next((name for name in places if short[name] == plain), None)
        return with_innermost(source, name) if name else source

    def renamed(method: str) -> str:
        source = MethodName.parse(method).source
        return method.replace(f"@{source}", f"@{named(source)}", 1) if source else method

    methods, pseudo, labels = (
        tuple(map(renamed, names)) for names in (config.methods, config.pseudo_methods, config.label_methods)
    )
    declared = {**depths.declared, **places}
    kinds = dict(depths.kinds)
    if (name := named(config.depth)) != config.depth and config.depth_kind:
        kinds[innermost(name)] = config.depth_kind
    return replace(
        config,
        methods=methods,
        pseudo_methods=pseudo,
        label_methods=labels,
        depth=named(config.depth),
        sources=tuple(f"{name}={spec}" for name, spec in declared.items()),
        kinds=tuple(f"{name}={kind}" for name, kind in kinds.items()),
    )


def _same(path: Path, record: Record, made: Sequence[Record]) -> Record:
    """The one of the records that has the name of the first."""
    found = next((one for one in made if full_name(one) == full_name(record)), None)
    if found is None:
        raise WsssError(
            f"{path} is of {full_name(record)}, and what was made of {', '.join(map(full_name, made))}: give its depth "
            "by its name, with --source NAME=files:DIR."
        )
    return found


def name_of_method(path: Path, record: Record, config: Config) -> str:
    """The method's name in the configuration, which may say which files `@meter` are.

    Raises:
        WsssError: no method of the configuration, or of the committed results, has the record's name.
    """
    own = (*config.methods, *config.pseudo_methods, *config.label_methods)
    known = (*own, *RESULT_METHODS.get(config.data, ()), *RESULT_LABELS.get(config.data, ()), FULL_SUPERVISION)
    name = next((name for name in known if config.full_name(name) == full_name(record)), None)
    if name is None:
        raise WsssError(f"{path} does not say what {full_name(record)} is. Check out its commit.")
    return name


def _evaluated(asked: _Asked, folder: Path, checkpoint: Path | None) -> Record:
    path, record = asked.path, asked.record
    settings = record["provenance"].get("settings")
    if settings is None:
        raise WsssError(f"{path} does not say how it was evaluated: make it again with `wsss evaluate`.")
    if checkpoint is None or weights_hash(checkpoint) != settings["checkpoint_sha256"]:
        raise WsssError(f"{path} was made with {settings['checkpoint']}. Give that very file with --checkpoint.")
    declared = {**declarations(settings.get("sources", ())), **declarations(asked.sources)}
    made = evaluate_folder(
        checkpoint,
        folder,
        data=settings["data"],
        root=str(asked.root) if asked.root else None,
        split=settings["split"],
        classes=settings["classes"],
        depth=asked.depth or settings["depth"],
        depth_kind=settings["depth_kind"],
        sources=[f"{name}={spec}" for name, spec in declared.items()],
        methods=settings["methods"],
        limit=settings["limit"],
        on_error=settings["on_error"],
        progress=asked.progress,
    )
    new = _same(path, record, made)
    if new["provenance"]["data_sha256"] != record["provenance"]["data_sha256"]:
        raise WsssError(f"the data is not that of {path}. Give its folder with --root, or restore it.")
    return new

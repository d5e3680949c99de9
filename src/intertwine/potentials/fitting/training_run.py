"""From a configuration to a potential on disk: reading, training, saving, and a line for each. No group acts here."""

from collections.abc import Mapping
from pathlib import Path

from intertwine.potentials.data.on_demand import joined
from intertwine.potentials.fitting.config import FitConfig, RunConfig
from intertwine.potentials.fitting.config_file import write_config
from intertwine.potentials.fitting.data_set import DataSet, read_data
from intertwine.potentials.fitting.fit import measure, new_potential, ready, require, train_potential, with_edges
from intertwine.potentials.fitting.fit_heads import train_heads
from intertwine.potentials.fitting.objective import LossWeights
from intertwine.potentials.fitting.run_lines import data_line, model_line, reference_line
from intertwine.potentials.models.heads import MAIN, another_head
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import DTYPES, save_potential
from intertwine.training.distributed import process_number, wait_for_all
from intertwine.training.progress import Progress, Quiet, make_progress
from intertwine.training.state import checkpoint_to_resume


def fit_potential(config: FitConfig, *, resume: bool = False, progress: Progress | None = None) -> Path:
    """Do all that a configuration file says; the trained potential lies in `<out>/potential`, its history beside it.

    Frames of a single atom give the reference energies and are not trained on; elements without one get theirs from a
    least-squares fit to the training frames. `<out>/config.yaml` holds the configuration with every key.

    Example:
        >>> fit_potential(load_config("config.yaml"))  # doctest: +SKIP
        PosixPath('runs/train/potential')

    Raises:
        GraphError: data that cannot be trained on.
        NumericalError: the training left the finite numbers.
        CheckpointError: `<out>` holds a run and `resume` is False, or its checkpoint is damaged.
    """
    checkpoint_to_resume(Path(config.out), resume)
    labels = LossWeights(**config.train.loss.model_dump()).labels
    sections = {MAIN: config.data, **config.heads}
    cutoff = config.model.cutoff
    sets = {name: read_data(section, seed=config.seed, cutoff=cutoff) for name, section in sections.items()}
    require(labels, joined([each.train for each in sets.values()]))
    return run(config, sets, new_heads(config, sets), resume=resume, progress=progress)


def new_heads(config: FitConfig, sets: Mapping[str, DataSet]) -> dict[str, Potential]:
    """Untrained potentials, one for each set, that share all but their readouts; scaled to the frames of all.

    An element that one set lacks takes its reference energy there from the first set that has it.
    """
    frames = joined([each.train for each in sets.values()])
    known: dict[int, float] = {}
    for each in sets.values():
        known = {**each.references, **known}
    main, _ = new_potential(
        config.model.kind,
        config.model.hyperparameters(),
        frames,
        known,
        seed=config.seed,
        dtype=DTYPES[config.dtype],
    )
    if len(sets) == 1:
        return {MAIN: main}
    shifts = {
        name: measure(with_edges(each.train, main.cutoff), {**known, **each.references}).energy
        for name, each in sets.items()
    }
    main.shift = shifts[MAIN]
    others = {
        name: another_head(main, {**known, **each.references}, shift=shifts[name])
        for name, each in sets.items()
        if name != MAIN
    }
    return {MAIN: main, **others}


def run(
    config: RunConfig,
    sets: Mapping[str, DataSet],
    heads: Mapping[str, Potential],
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train heads on their sets and save them; `<out>/potential` loads as the main one.

    Raises:
        GraphError, NumericalError, CheckpointError: as `fit_potential`.
    """
    progress = Quiet() if process_number() > 0 else progress or make_progress()
    weights = LossWeights(**config.train.loss.model_dump())
    later = None if config.train.swa_loss is None else LossWeights(**config.train.swa_loss.model_dump())
    train = {name: ready(sets[name].train, potential) for name, potential in heads.items()}
    valid = {name: ready(sets[name].valid, potential) for name, potential in heads.items()}
    out = Path(config.out)
    for name, each in sets.items():
        progress.say(data_line(each, weights.labels, head=name if len(sets) > 1 else ""))
        progress.say(reference_line(each, heads[name]))
    progress.say(model_line(heads))
    choices = {
        "weights": weights,
        "later_weights": later,
        "folder": out,
        "resume": resume,
        "progress": progress,
        "log": config.log,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_config(out / "config.yaml", config)
    if len(heads) == 1:
        train_potential(heads[MAIN], train[MAIN], valid[MAIN], config.plan(), **choices)
    else:
        train_heads(heads, train, valid, config.plan(), **choices)
    if process_number() == 0:
        others = {name: potential for name, potential in heads.items() if name != MAIN}
        save_potential(out / "potential", heads[MAIN], heads=others, notes={"config": config.model_dump(mode="json")})
    wait_for_all()
    return out / "potential"

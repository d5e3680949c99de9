"""From a trained potential to one for new labels: energies of atoms refitted, parts frozen, old data replayed.

No group acts here.
"""

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import torch

from intertwine.potentials.data.on_demand import chosen, joined
from intertwine.potentials.fitting.config import FinetuneConfig
from intertwine.potentials.fitting.config_file import ConfigError
from intertwine.potentials.fitting.data_set import read_data
from intertwine.potentials.fitting.fit import ready, require
from intertwine.potentials.fitting.objective import LossWeights
from intertwine.potentials.fitting.partial_labels import collate_partial
from intertwine.potentials.fitting.training_run import run
from intertwine.potentials.models.heads import MAIN, another_head, of_readout
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import load
from intertwine.potentials.structures.batching import split
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.reference import composition_energy, fit_reference_energies
from intertwine.training.progress import Progress
from intertwine.training.state import checkpoint_to_resume

REPLAY = "replay"
"""The head that keeps the old level of theory."""


def finetune_potential(config: FinetuneConfig, *, resume: bool = False, progress: Progress | None = None) -> Path:
    """Train a saved potential on new frames; the result lies in `<out>/potential`.

    The energies of atoms are fitted anew to what the potential leaves of the new energies, which takes care of another
    level of theory before the first step. With `replay` the new frames have a head of their own, and old frames train
    the old head beside it, so that the shared weights keep serving both.

    Example:
        >>> finetune_potential(compose_config(FinetuneConfig, "finetune.yaml"))  # doctest: +SKIP
        PosixPath('runs/finetune/potential')

    Raises:
        GraphError: frames that cannot be trained on, among them those with an element that the potential lacks.
        ConfigError: a frozen part that the model has not, or all of it; or no readouts to make a head of.
        NumericalError, CheckpointError: as `fit_potential`.
    """
    checkpoint_to_resume(Path(config.out), resume)
    start = load(config.start, head=config.head)
    labels = LossWeights(**config.train.loss.model_dump()).labels
    sections = {MAIN: config.data, **({REPLAY: config.replay} if config.replay else {})}
    with warnings.catch_warnings():
        # Compositions need not determine the energies of atoms: the shortest change is wanted.
        warnings.filterwarnings("ignore", "reference energies of")
        sets = {name: read_data(section, seed=config.seed, cutoff=start.cutoff) for name, section in sections.items()}
        require(labels, joined([each.train for each in sets.values()]))
        references, shift = refit(start, ready(sets[MAIN].train, start), sets[MAIN].isolated)
    if config.replay is None:
        rule = start.shift_alone
        main = Potential(start.model, references, scale=start.scale, shift=shift, shift_alone=rule)
        main.recipe = start.recipe
        heads = {MAIN: main}
    elif any(of_readout(name) for name, _ in start.named_parameters()):
        heads = {MAIN: another_head(start, references, shift=shift), REPLAY: start}
    else:
        raise ConfigError(f"{config.start}: this model has no readouts to give each head its own; leave out replay.")
    for head in heads.values():
        freeze(head, config.freeze)
    return run(config, sets, heads, resume=resume, progress=progress)


def refit(
    potential: Potential, frames: Sequence[Graph], isolated: Mapping[int, float]
) -> tuple[dict[int, float], float]:
    """Energies of atoms and shift with which a potential comes closest to new energies, its weights as they are.

        references = old + change,     shift = old + mean over frames of what is left per atom

    The change is that of isolated atoms where there are some, else least squares over compositions, the shortest if
    these do not tell elements apart. Elements that the frames lack keep their energy.

    Args:
        frames: `ready` for the potential; those without energies are passed over.
        isolated: new energies of single atoms, eV.
    """
    old = potential.reference_energies
    known = {number: energy - old[number] for number, energy in isolated.items() if number in old}
    labelled = chosen(frames, [place for place, graph in enumerate(frames) if graph.energy is not None])
    left = []
    for start in range(0, len(labelled), 16):
        batch = collate_partial(labelled[start : start + 16])
        with torch.no_grad():
            over = batch.energy - potential(batch, forces=False).energy
            none = {"senders": batch.senders.new_empty(0), "receivers": batch.receivers.new_empty(0)}
            left += split(replace(batch, energy=over, forces=None, shifts=batch.shifts.new_empty(0, 3), **none))
    changes = known
    if {int(number) for graph in left for number in graph.numbers.unique()} - set(known):
        changes = fit_reference_energies(left, known=known)
    references = {number: energy + changes.get(number, 0.0) for number, energy in old.items()}
    rest = [
        (graph.energy - composition_energy(graph.numbers, graph.structure, 1, {**dict.fromkeys(old, 0.0), **changes}))
        / graph.node_count
        for graph in left
        if graph.energy is not None
    ]
    return references, potential.shift + (torch.cat(rest).mean().item() if rest else 0.0)


def freeze(potential: Potential, names: Collection[str]) -> None:
    """Keep the parameters of the parts named as they are: "embedding", "interactions.0", "readouts".

    Raises:
        ConfigError: there is no such part, or nothing is left to train.
    """
    parameters = {_short(name): parameter for name, parameter in potential.named_parameters()}
    parts = {".".join(name.split(".")[:depth]) for name in parameters for depth in range(1, name.count(".") + 2)}
    for name in names:
        if name not in parts:
            near = get_close_matches(name, sorted(parts), n=1)
            top = ", ".join(sorted({part.partition(".")[0] for part in parts}))
            hint = f'Did you mean "{near[0]}"?' if near else f"It has {top}."
            raise ConfigError(f'freeze: the model has no part "{name}". {hint}')
        for full, parameter in parameters.items():
            if full == name or full.startswith(f"{name}."):
                parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise ConfigError(f"freeze: {', '.join(names)} are all that the model has; leave something to train.")


def _short(name: str) -> str:
    """A parameter's name without what wraps the model."""
    while name.startswith("model."):
        name = name.removeprefix("model.")
    return name

"""The model section of a configuration file: the constructor, but for what the data decide. No group acts here."""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_serializer, model_validator

from intertwine.o3.irreps import Irreps
from intertwine.potentials.fitting.config_section import Count, Section
from intertwine.potentials.models.facet import ActivationName
from intertwine.potentials.models.models import MODELS, ModelName
from intertwine.potentials.models.products import ContractionName, EdgeProductName
from intertwine.potentials.models.zbl import RepulsionName

FROM_DATA = ("species", "neighbors")
"""Arguments of the constructors that no file holds."""
OF_ANY_KIND = {"kind", "repulsion"}
"""Fields that are no arguments of a constructor."""


def _irreps(text: str) -> str:
    """The text itself when it names irreps."""
    Irreps(text)  # raises IrrepsError, a ValueError, which becomes this field's message
    return text


IrrepsText = Annotated[str, AfterValidator(_irreps)]


def arguments(kind: ModelName) -> dict[str, Parameter]:
    """What a file may say of a model of this kind: the arguments of its constructor.

    Example:
        >>> "correlation" in arguments("mace"), "correlation" in arguments("nequip")
        (True, False)
    """
    return {name: each for name, each in signature(MODELS[kind]).parameters.items() if name not in FROM_DATA}


class ModelConfig(Section):
    """The model's constructor, but for what the data decide: species, neighbours, energy scale.

    Of the fields below a kind takes those that its constructor has, and what is left out is as its constructor has it.

    Example:
        >>> ModelConfig(kind="nequip").layers, ModelConfig(kind="mace").layers
        (3, 2)
    """

    kind: ModelName = "mace"
    cutoff: Annotated[float, Field(gt=0, le=30)] = 5.0
    """Angstrom."""
    channels: Count = 64
    hidden: IrrepsText = "0e+1o"
    """Irreps carried between layers."""
    edge_degree: Annotated[int, Field(ge=0, le=11)] = 3
    """Largest degree of the harmonics of an edge."""
    correlation: Annotated[int, Field(ge=1, le=8)] = 3
    """Factors in the many-body product."""
    layers: Count = 2
    heads: Count = 4
    """Of the attention; they divide channels."""
    radial_count: Count = 8
    radial_hidden: tuple[Count, ...] = (64,)
    tensor_product: EdgeProductName = "gaunt"
    contraction: ContractionName = "gaunt"
    grid_hidden: Count = 16
    """Width of the network at the points of a sphere."""
    activation: ActivationName = "quadratic"
    """Of that network."""
    repulsion: RepulsionName = "none"
    """Of nuclei at short distance, under a model of any kind."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_constructor(cls, values: Any) -> Any:
        kind = values.get("kind", "mace") if isinstance(values, Mapping) else None
        if kind not in list(MODELS):
            return values
        needless = sorted(set(values) & set(cls.model_fields) - set(arguments(kind)) - OF_ANY_KIND)
        if needless:
            others = " or ".join(each for each in MODELS if set(needless) <= set(arguments(each)))
            raise ValueError(
                f"leave out {' and '.join(needless)}, which {kind} does not take{f' ({others} does)' if others else ''}"
            )
        defaults = {name: each.default for name, each in arguments(kind).items() if each.default is not each.empty}
        return {**defaults, **values}

    @model_serializer(mode="wrap")
    def _taken(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if name in {*OF_ANY_KIND, *arguments(self.kind)}}

    def hyperparameters(self) -> dict[str, Any]:
        """Keyword arguments of the model's constructor; and the repulsion, which `build_potential` takes too."""
        return self.model_dump(mode="json", exclude={"kind"} if self.repulsion != "none" else OF_ANY_KIND)

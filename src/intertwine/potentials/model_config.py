"""The model section of a configuration file: the constructor, but for what the data decide. No group acts here."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from intertwine.o3.irreps import Irreps
from intertwine.potentials.config_section import Count, Section
from intertwine.potentials.models import ModelName
from intertwine.potentials.products import ContractionName, EdgeProductName


def _irreps(text: str) -> str:
    """The text itself when it names irreps."""
    Irreps(text)  # raises IrrepsError, a ValueError, which becomes this field's message
    return text


IrrepsText = Annotated[str, AfterValidator(_irreps)]


class ModelConfig(Section):
    """The model's constructor, but for what the data decide: species, neighbours, energy scale."""

    kind: ModelName = "mace"
    cutoff: Annotated[float, Field(gt=0, le=30)] = 5.0
    """Angstrom."""
    channels: Count = 64
    hidden: IrrepsText = "0e+1o"
    """Irreps carried between layers."""
    edge_degree: Annotated[int, Field(ge=0, le=11)] = 3
    """Largest degree of the harmonics of an edge."""
    correlation: Annotated[int, Field(ge=1, le=8)] = 3
    """Factors in the many-body product; for mace only."""
    layers: Count = 2
    radial_count: Count = 8
    radial_hidden: tuple[Count, ...] = (64,)
    tensor_product: EdgeProductName = "gaunt"
    contraction: ContractionName = "gaunt"
    """For mace only."""

    @model_validator(mode="after")
    def _no_contraction_without_one(self) -> "ModelConfig":
        needless = sorted({"correlation", "contraction"} & self.model_fields_set)
        if self.kind == "nequip" and needless:
            raise ValueError(f"nequip multiplies no messages; leave out {' and '.join(needless)}")
        return self

    def hyperparameters(self) -> dict[str, Any]:
        """Keyword arguments of the model's constructor."""
        needless = {"correlation", "contraction"} if self.kind == "nequip" else set()
        return self.model_dump(mode="json", exclude={"kind", *needless})

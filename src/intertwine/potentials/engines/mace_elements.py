"""An exported model without the elements that nobody needs; no group acts here."""

from collections.abc import Sequence

from intertwine.potentials.engines.mace_export import Export

OF_ELEMENTS = ("embedding", "covalent_radii", "repulsion_radii")
"""Arrays with a row for every element."""


def keep_elements(export: Export, numbers: Sequence[int]) -> Export:
    """The same model for some of its elements: weights of the others are left out.

    It gives the same energies to structures of these elements, and takes less memory and time, since models for the
    whole periodic table have weights for every element in every layer.

    Args:
        numbers: atomic numbers to keep.

    Raises:
        CheckpointError: an element that the model does not know, one that comes twice, or none at all.
    """
    known = export.content["atomic_numbers"]
    if not numbers or len(set(numbers)) < len(numbers) or not set(numbers) <= set(known):
        raise export.refuse(f"expected different elements out of {known} to keep, came {list(numbers)}.")
    rows = [known.index(number) for number in sorted(numbers)]
    arrays = {}
    for name, array in export.arrays.items():
        by_element = name in OF_ELEMENTS or ".skip." in name or (".weights" in name and len(array) == len(known))
        arrays[name] = array[rows] if by_element else array
    arrays["atomic_energies"] = export.arrays["atomic_energies"][:, rows]
    return export._replace(arrays=arrays, content={**export.content, "atomic_numbers": sorted(numbers)})

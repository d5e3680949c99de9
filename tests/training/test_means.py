"""A mean over a global batch does not depend on how the batch was dealt out, which a mean of means does."""

import pytest
import torch

from intertwine.training.means import Mean, as_means, contributions, global_counts, weighted_sum


def terms(values: torch.Tensor, labels: torch.Tensor) -> dict[str, Mean]:
    """Mean over all values, and over those that have a label."""
    number = torch.tensor(float(len(values)))
    return {"all": Mean(values.sum(), number, 2.0), "labelled": Mean(values[labels].sum(), labels.sum(), 3.0)}


def test_parts_of_a_batch_add_up_to_its_loss_and_a_mean_of_means_does_not():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    labels = torch.tensor([True, False, False, False, True])
    expected = 2 * values.mean() + 3 * values[labels].mean()
    whole, parts = terms(values, labels), [terms(values[:4], labels[:4]), terms(values[4:], labels[4:])]
    counts = global_counts(whole)
    found = sum(weighted_sum(part, contributions(part, counts)) for part in parts)
    assert found.item() == pytest.approx(expected.item(), rel=1e-14)
    locally = sum(weighted_sum(part, contributions(part, global_counts(part))) for part in parts) / 2
    assert locally.item() != pytest.approx(expected.item(), rel=1e-2)
    joined = {name: parts[0][name] + parts[1][name] for name in whole}
    assert weighted_sum(joined, contributions(joined, counts)).item() == pytest.approx(expected.item(), rel=1e-14)


def test_a_term_that_nobody_has_an_entry_of_adds_nothing():
    means = terms(torch.tensor([1.0, 2.0]), torch.tensor([False, False]))
    assert weighted_sum(means, contributions(means, global_counts(means))).item() == 3.0


def test_plain_scalars_are_means_over_items_and_only_the_loss_counts():
    means = as_means({"loss": torch.tensor(3.0), "error": torch.tensor(5.0)}, 4)
    assert [(mean.total.item(), mean.count.item(), mean.weight) for mean in means.values()] == [(12, 4, 1), (20, 4, 0)]


def test_a_process_without_items_counts_nothing():
    means = as_means({"loss": torch.tensor(3.0), **terms(torch.ones(2), torch.ones(2).bool())}, 0)
    assert all(mean.total.item() == mean.count.item() == 0 for mean in means.values())

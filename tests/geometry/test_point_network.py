import pytest
import torch

from intertwine.geometry.point_network import DGCNN, PointNet
from intertwine.groups.actions import LastAxis
from intertwine.groups.classical import SO
from intertwine.groups.error import equivariance_error
from intertwine.groups.representation import Standard
from intertwine.nn.tinvnn import TinvNN

NETWORKS = {
    "pointnet": lambda each: PointNet(3, 4, widths=(16, 24), head=(16,), each_point=each).double(),
    "dgcnn": lambda each: DGCNN(3, 4, widths=(16, 16), head=(16,), neighbors=4, each_point=each).double(),
}


def cloud(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("each", [False, True], ids=["cloud", "each point"])
@pytest.mark.parametrize("name", NETWORKS)
def test_order_does_not_matter_or_is_kept(name, each):
    net, x, order = NETWORKS[name](each), cloud(3, 11, 3), torch.randperm(11)
    expected = net(x)[:, order] if each else net(x)
    assert torch.allclose(net(x[:, order]), expected, atol=1e-12)
    assert net(x[0]).shape == ((11, 4) if each else (4,))


@pytest.mark.parametrize("each", [False, True], ids=["cloud", "each point"])
@pytest.mark.parametrize("name", NETWORKS)
def test_padding_is_not_seen_and_leaves_gradients_finite(name, each):
    net, x = NETWORKS[name](each), cloud(3, 9, 3)
    padded = torch.cat([x, torch.full((3, 4, 3), torch.nan, dtype=torch.float64)], dim=1)
    mask = torch.arange(13) < torch.tensor([9, 2, 5]).unsqueeze(-1)
    y = net(padded, mask)
    for row, count in enumerate((9, 2, 5)):
        found = y[row, :count] if each else y[row]
        assert torch.allclose(found, net(x[row, :count]), atol=1e-12)
    y[mask].sum().backward() if each else y.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
    nobody = net(padded, torch.zeros_like(mask))
    assert nobody.isfinite().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_rotations_need_help_from_a_frame(name):
    net, x = NETWORKS[name](False), cloud(3, 12, 3).exp() * torch.tensor([2.0, 1.0, 0.5])
    turn = LastAxis(Standard(SO(3)))
    assert equivariance_error(net, [x], [turn], None, SO(3)) > 1e-3
    assert equivariance_error(TinvNN(net), [x], [turn], None, SO(3)) < 1e-10

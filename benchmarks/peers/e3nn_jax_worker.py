"""e3nn-jax's side of row A, and the grid product of row A', as a script for `serve.py`.

The grid product multiplies two functions on a Gauss-Legendre grid of (2L + 1) x (4L + 1) points, the smallest that is
exact, through e3nn-jax's `to_s2grid` and `from_s2grid`: the grid form of Xie et al., 2025 (The Price of Freedom). Along
the rings it takes a matrix rather than an FFT: the faster of the two under jit on a CPU, at every L up to 12.
"""

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import numpy as np


def start(threads):
    return {"e3nn-jax": e3nn.__version__, "jax": jax.__version__}


def build(row, case, inputs):
    first, second, out = (e3nn.Irreps(case[name]) for name in ("irreps_in1", "irreps_in2", "irreps_out"))
    kept = sorted({ir for _, ir in out})
    degree = max(first.ls)
    grid = {"quadrature": "gausslegendre", "normalization": "integral", "p_val": 1, "p_arg": -1, "fft": False}

    def product(x, y):
        x, y = e3nn.IrrepsArray(first, x), e3nn.IrrepsArray(second, y)
        if row == "A":
            return e3nn.tensor_product(x, y, filter_ir_out=kept).array
        x, y = (e3nn.to_s2grid(each, 2 * degree + 1, 4 * degree + 1, **grid) for each in (x, y))
        return e3nn.from_s2grid(x * y, out, normalization="integral", fft=False).array

    @jax.jit
    def forward(x, y):
        return (product(x, y),)

    @jax.jit
    def backward(x, y, cotangent):
        z, pull = jax.vjp(product, x, y)
        return (z, *pull(cotangent))

    # e3nn-jax's harmonics on a grid have squares that integrate to 4 pi, so its product is sqrt(4 pi) times that of
    # orthonormal ones: x is scaled beforehand, and its gradient afterwards
    scale = 1.0 if row == "A" else (4 * np.pi) ** -0.5
    x, y, cotangent = (jnp.asarray(inputs[name]) for name in ("x", "y", "cotangent"))
    x = x * scale

    def export(found):
        names = ("z", "gradient of x", "gradient of y")
        arrays = {name: np.asarray(values) for name, values in zip(names, found)}
        return {name: values * scale if name == "gradient of x" else values for name, values in arrays.items()}

    return {
        "forward": (lambda: jax.block_until_ready(forward(x, y)), export),
        "forward+backward": (lambda: jax.block_until_ready(backward(x, y, cotangent)), export),
    }

// A bias-free network on rows of numbers with silu between its layers, and its step back. No group acts on `channel`.
//
//   z_k = h_k W_k s_k,    h_(k+1) = silu(z_k),    s_0 = 1 / sqrt(fan_in),  s_k = c / sqrt(fan_in)
//   g_k = silu'(z_(k-1)) (g_(k+1) W_k^T s_k)                        from the gradient of the last z to that of h_0
//
// Rows go through all layers a tile at a time, so that what lies between the layers stays in the caches; the step back
// makes it again rather than keeping it. Matrices are packed once a call.
#include "exponential.h"
#include "gemm.h"

namespace INTERTWINE_ISA {

constexpr int64_t TILE = 48;

// Widths of the network: `count` layers, width[0] numbers in, width[count] numbers out.
struct Layers {
  int64_t count;
  const int64_t *width;
  double c;
  double scale(int64_t k) const { return (k ? c : 1) / __builtin_sqrt(double(width[k])); }
  int64_t flops(int64_t rows) const {
    int64_t found = 0;
    for (int64_t k = 0; k < count; ++k) found += 2 * rows * width[k] * width[k + 1];
    return found;
  }
};

// One packed matrix times the rows of a tile: to[r] = end(r, column, sums), rows `from_stride` and `to_stride` apart.
template <class T, int V, class End>
void layer(int64_t rows, int64_t n, int64_t columns, const T *from, int64_t from_stride, const vec<T> *panel, T *to,
           int64_t to_stride, const End &end) {
  for (int64_t k0 = 0; k0 < columns; k0 += WIDTH<T, V>, panel += n * V)
    in_groups(rows, [&](int64_t first, auto group) {
      constexpr int R = decltype(group)::value;
      const T *line = from + first * from_stride;
      vec<T> acc[R][V] = {};
      sums<T, V, R>(
          n, [&](int r, int64_t k) { return line[r * from_stride + k]; },
          [&](int64_t k, vec<T> *across) {
            for (int v = 0; v < V; ++v) across[v] = panel[k * V + v];
          },
          acc);
      for (int r = 0; r < R; ++r) {
        end(first + r, k0, columns - k0, acc[r]);
        put<T, V>(to + (first + r) * to_stride + k0, columns - k0, acc[r]);
      }
    });
}

template <class T>
inline vec<T> sigmoid(vec<T> x) {
  return 1 / (1 + exponential<T>(-x));
}

template <class T, int V>
class Network {
 public:
  Network(const Layers &layers, const T *const *w, bool back)
      : layers_(layers), forward_(total(layers, false)), back_(back ? total(layers, true) : 0) {
    vec<T> *to = forward_.at(0), *turned = back_.at(0);
    for (int64_t k = 0; k < layers.count; ++k) {
      const int64_t n = layers.width[k], m = layers.width[k + 1];
      const T s = T(layers.scale(k));
      if (!back || k + 1 < layers.count) pack<T, V>(w[k], n, m, m, false, s, to), to += packed<T, V>(n, m);
      if (back) pack<T, V>(w[k], m, n, m, true, s, turned), turned += packed<T, V>(m, n);
    }
    for (int64_t k = 1; k < layers.count; ++k) between_ += layers.width[k];
    for (int64_t k = 0; k <= layers.count; ++k) widest_ = layers.width[k] > widest_ ? layers.width[k] : widest_;
  }
  // Numbers a worker needs for a tile.
  int64_t scratch() const { return TILE * (2 * between_ + 2 * widest_) / lanes<T> + 1; }

  // `slope`: room for silu' of what lies between the layers, or null; `out`: for the last z, or null to stop before it.
  void forward(int64_t rows, const T *x, T *h, T *slope, T *out) {
    const vec<T> *panel = forward_.at(0);
    const T *from = x;
    for (int64_t k = 0; k + 1 < layers_.count; ++k) {
      const int64_t n = layers_.width[k], m = layers_.width[k + 1];
      layer<T, V>(rows, n, m, from, n, panel, h, m, [&](int64_t r, int64_t k0, int64_t left, vec<T> *z) {
        vec<T> slopes[V];
        for (int v = 0; v < V; ++v) {
          const vec<T> s = sigmoid<T>(z[v]);
          slopes[v] = s * (1 + z[v] * (1 - s));
          z[v] *= s;
        }
        if (slope) put<T, V>(slope + r * m + k0, left, slopes);
      });
      panel += packed<T, V>(n, m);
      from = h;
      h += TILE * m;
      if (slope) slope += TILE * m;
    }
    const int64_t n = layers_.width[layers_.count - 1], m = layers_.width[layers_.count];
    if (out) layer<T, V>(rows, n, m, from, n, panel, out, m, [](int64_t, int64_t, int64_t, vec<T> *) {});
  }
  // From the gradient g of the last z to that of x; `slope` as `forward` left it, `spare`: room for two rows of a tile.
  void back(int64_t rows, const T *g, const T *slope, T *spare, T *gx) {
    const vec<T> *panel = back_.at(0);
    for (int64_t k = 0; k < layers_.count; ++k) panel += packed<T, V>(layers_.width[k + 1], layers_.width[k]);
    slope += TILE * between_;
    for (int64_t k = layers_.count; k-- > 0;) {
      const int64_t n = layers_.width[k], m = layers_.width[k + 1];
      panel -= packed<T, V>(m, n);
      T *to = k ? spare + (k % 2) * TILE * widest_ : gx;
      if (k) slope -= TILE * n;
      layer<T, V>(rows, m, n, g, m, panel, to, n, [&](int64_t r, int64_t k0, int64_t left, vec<T> *sums) {
        if (!k) return;
        vec<T> slopes[V];
        fetch<T, V>(slope + r * n + k0, left, slopes);
        for (int v = 0; v < V; ++v) sums[v] *= slopes[v];
      });
      g = to;
    }
  }
  int64_t between() const { return between_; }

 private:
  static int64_t total(const Layers &layers, bool turned) {
    int64_t found = 0;
    for (int64_t k = 0; k < layers.count; ++k) {
      const int64_t n = layers.width[k], m = layers.width[k + 1];
      found += turned ? packed<T, V>(m, n) : packed<T, V>(n, m);
    }
    return found;
  }
  const Layers &layers_;
  Scratch<T> forward_, back_;
  int64_t between_ = 0, widest_ = 0;
};

// y = z of the last layer where g is null; else y = gradient of <g, z> by x.
template <class T, int V>
void mlp(const Layers &layers, int64_t rows, const T *x, const T *const *w, const T *g, T *y, int threads) {
  Network<T, V> network(layers, w, g != nullptr);
  const int64_t in = layers.width[0], out = layers.width[layers.count];
  struct Room {
    Scratch<T> memory;
    explicit Room(int64_t count) : memory(count) {}
  };
  parallel_for(
      (rows + TILE - 1) / TILE, useful_threads(layers.flops(rows) * (g ? 2 : 1), threads),
      [&] { return Room(network.scratch()); },
      [&](Room &room, int64_t task) {
        const int64_t first = task * TILE, here = rows - first < TILE ? rows - first : TILE;
        T *h = reinterpret_cast<T *>(room.memory.at(0)), *slope = h + TILE * network.between();
        if (!g) return network.forward(here, x + first * in, h, nullptr, y + first * out);
        network.forward(here, x + first * in, h, slope, nullptr);
        network.back(here, g + first * out, slope, slope + TILE * network.between(), y + first * in);
      });
}

}  // namespace INTERTWINE_ISA

// `sizes`: rows, number of layers, widths; `g` may be null.
#define INTERTWINE_MLP(type, T)                                                                                        \
  INTERTWINE_EXPORT(mlp, type)(const int64_t *sizes, const double *c, const T *x, const T *const *w, const T *g, T *y, \
                               int threads) {                                                                          \
    using namespace INTERTWINE_ISA;                                                                                    \
    const Layers layers{sizes[1], sizes + 2, *c};                                                                      \
    mlp<T, WIDE>(layers, sizes[0], x, w, g, y, threads);                                                               \
  }
INTERTWINE_MLP(f32, float)
INTERTWINE_MLP(f64, double)

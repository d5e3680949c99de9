// Harmonics of the directions of edges, and two derivatives. O(3) acts on rows; edges are lanes.
//
//   Y^l_m = sum of  W^l[k, i, m] n_k Y^(l-1)_i,   Y^0 = 1,     n = x / |x|, and zero with its derivatives where |x| is
//
// A way up through the degrees gives Y, and a way down after it the gradient of <g, Y> by x. The same ways on numbers
// that know their slope along h give the gradients of <h, gradient>: by g the slope of Y, by x that of the gradient.
#include "panels.h"

namespace INTERTWINE_ISA {

// A number and, if D is 1, its slope.
template <class T, int D>
struct Jet {
  vec<T> part[D + 1];
};
template <class T, int D>
inline Jet<T, D> operator*(const Jet<T, D> &a, const Jet<T, D> &b) {
  Jet<T, D> c;
  c.part[0] = a.part[0] * b.part[0];
  if constexpr (D == 1) c.part[1] = a.part[0] * b.part[1] + a.part[1] * b.part[0];
  return c;
}
template <class T, int D>
inline Jet<T, D> operator*(T a, const Jet<T, D> &b) {
  Jet<T, D> c;
  for (int d = 0; d <= D; ++d) c.part[d] = a * b.part[d];
  return c;
}
template <class T, int D>
inline Jet<T, D> &operator+=(Jet<T, D> &a, const Jet<T, D> &b) {
  for (int d = 0; d <= D; ++d) a.part[d] += b.part[d];
  return a;
}
template <class T, int D>
inline Jet<T, D> dot(const Jet<T, D> *a, const Jet<T, D> *b) {
  Jet<T, D> sum = a[0] * b[0];
  for (int k = 1; k < 3; ++k) sum += a[k] * b[k];
  return sum;
}
// 1 / sqrt(square), or 0 with slope 0 below `least`.
template <class T, int D>
inline Jet<T, D> inverse_root(const Jet<T, D> &square, T least) {
  Jet<T, D> found;
  vec<T> inverse;
  for (int i = 0; i < lanes<T>; ++i)
    inverse[i] = square.part[0][i] < least ? T(0) : T(1) / T(__builtin_sqrt(square.part[0][i]));
  found.part[0] = inverse;
  if constexpr (D == 1) found.part[1] = T(-0.5) * square.part[1] * inverse * inverse * inverse;
  return found;
}

// `places`: dim, then for every row where its terms end, then k and i of each term. `numbers`: the square of the least
// length, then W of each term.
template <class T>
struct Harmonics {
  int64_t dim;
  const int64_t *end, *place;
  T least;
  const T *w;
  Harmonics(const int64_t *places, const T *numbers)
      : dim(places[0]), end(places + 1), place(end + dim), least(numbers[0]), w(numbers + 1) {}

  template <int D>
  void up(const Jet<T, D> *n, Jet<T, D> *y) const {
    y[0] = {};
    y[0].part[0] += 1;
    for (int64_t m = 1; m < dim; ++m) {
      Jet<T, D> sum = {};
      for (int64_t t = end[m - 1]; t < end[m]; ++t) sum += w[t] * n[place[2 * t]] * y[place[2 * t + 1]];
      y[m] = sum;
    }
  }
  template <int D>
  void down(const Jet<T, D> *n, const Jet<T, D> *y, Jet<T, D> *gn, Jet<T, D> *gy) const {
    for (int64_t m = dim - 1; m > 0; --m)
      for (int64_t t = end[m - 1]; t < end[m]; ++t) {
        const Jet<T, D> g = w[t] * gy[m];
        gn[place[2 * t]] += g * y[place[2 * t + 1]];
        gy[place[2 * t + 1]] += g * n[place[2 * t]];
      }
  }
};

// body(first edge, memory of so many vectors) for every `lanes` edges.
template <class T, class Body>
inline void by_lanes(int64_t edges, int64_t vectors, int threads, const Body &body) {
  constexpr int64_t EACH = 1024;
  parallel_for(
      (edges + EACH - 1) / EACH, threads, [vectors] { return Scratch<T>(vectors); },
      [&](Scratch<T> &memory, int64_t task) {
        const int64_t last = (task + 1) * EACH < edges ? (task + 1) * EACH : edges;
        for (int64_t first = task * EACH; first < last; first += lanes<T>) body(first, memory.at(0));
      });
}
inline Feature edge_rows(int64_t dim, int64_t edges) { return {dim, dim, 1, 0, 1, edges}; }

template <class T>
void harmonics(const Harmonics<T> &of, int64_t edges, const T *x, T *y, int threads) {
  const Feature vectors = edge_rows(3, edges), values = edge_rows(of.dim, edges);
  by_lanes<T>(edges, 3 + of.dim, threads, [&](int64_t first, vec<T> *memory) {
    auto *n = reinterpret_cast<Jet<T, 0> *>(memory);
    pack<T, 1>(x, vectors, first, memory);
    const auto inverse = inverse_root(dot(n, n), of.least);
    for (int k = 0; k < 3; ++k) n[k] = inverse * n[k];
    of.up(n, n + 3);
    unpack<T, 1>(y, values, first, memory + 3);
  });
}

// Without slopes `gx`, the gradient of <g, Y>; with them its slope along h instead, and `dg`, the slope of Y.
template <class T, int D>
void gradient(const Harmonics<T> &of, int64_t edges, const T *x, const T *g, const T *h, T *gx, T *dg, int threads) {
  const Feature vectors = edge_rows(3, edges), values = edge_rows(of.dim, edges);
  const int64_t between = of.dim + 3;
  by_lanes<T>(edges, between + (D + 1) * (9 + 2 * of.dim), threads, [&](int64_t first, vec<T> *memory) {
    auto *at = reinterpret_cast<Jet<T, D> *>(memory + between), *n = at + 3, *gn = n + 3, *y = gn + 3, *gy = y + of.dim;
    const auto read = [&](const T *from, const Feature &feature, int d, Jet<T, D> *to) {
      pack<T, 1>(from, feature, first, memory);
      for (int64_t i = 0; i < feature.dim; ++i) to[i].part[d] = memory[i];
    };
    const auto write = [&](const Jet<T, D> *from, const Feature &feature, T *to) {
      for (int64_t i = 0; i < feature.dim; ++i) memory[i] = from[i].part[D];
      unpack<T, 1>(to, feature, first, memory);
    };
    for (int64_t m = 0; m < of.dim; ++m) gy[m] = {};
    read(x, vectors, 0, at);
    read(g, values, 0, gy);
    if constexpr (D == 1) read(h, vectors, 1, at);
    const auto inverse = inverse_root(dot(at, at), of.least);
    for (int k = 0; k < 3; ++k) n[k] = inverse * at[k], gn[k] = {};
    of.up(n, y);
    of.down(n, y, gn, gy);
    const auto along = T(-1) * dot(n, gn);
    for (int k = 0; k < 3; ++k) gn[k] += along * n[k];
    for (int k = 0; k < 3; ++k) at[k] = inverse * gn[k];
    write(at, vectors, gx);
    if constexpr (D == 1) write(y, values, dg);
  });
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_HARMONICS(type, T)                                                                              \
  INTERTWINE_EXPORT(harmonics, type)(const int64_t *places, const T *numbers, const int64_t *edges, const T *x,    \
                                     T *y, int threads) {                                                          \
    INTERTWINE_ISA::harmonics<T>({places, numbers}, *edges, x, y, threads);                                        \
  }                                                                                                                \
  INTERTWINE_EXPORT(harmonics_backward, type)(const int64_t *places, const T *numbers, const int64_t *edges,       \
                                              const T *x, const T *g, T *gx, int threads) {                        \
    INTERTWINE_ISA::gradient<T, 0>({places, numbers}, *edges, x, g, nullptr, gx, nullptr, threads);                \
  }                                                                                                                \
  INTERTWINE_EXPORT(harmonics_twice, type)(const int64_t *places, const T *numbers, const int64_t *edges,          \
                                           const T *x, const T *g, const T *h, T *dx, T *dg, int threads) {        \
    INTERTWINE_ISA::gradient<T, 1>({places, numbers}, *edges, x, g, h, dx, dg, threads);                           \
  }
INTERTWINE_HARMONICS(f32, float)
INTERTWINE_HARMONICS(f64, double)

// Mixing of channels: for every irrep a matrix over its copies and channels. O(3) acts on the rows, matrices on channels.
//
//   y[n, written_a + m, k] = s  sum over copies b, channels c of  x[n, read_b + m, c] W[b c, a k]
//
// A kind is what one matrix W mixes: the copies of an irrep. The gradient by x is the same map with W turned around, that
// by W is left to torch. Matrices are packed once a call: `V` vectors of a row beside each other, scaled.
#include "gemm.h"

namespace INTERTWINE_ISA {

constexpr int64_t NODES = 32;

struct Kind {
  int64_t dim, in, out;
  const int64_t *read, *written;
};
// `plan`: turned, rows and channels of x, rows and channels of y, number of kinds, then of each its dim, copies in and
// out, first rows read, first rows written. Turned: matrices are stored with rows and columns exchanged. The factor s of
// a kind is 1 / sqrt(rows of its matrix as stored).
struct Plan {
  int64_t turned, dim_in, channels_in, dim_out, channels_out, kinds;
  const int64_t *first;
  explicit Plan(const int64_t *p)
      : turned(p[0]), dim_in(p[1]), channels_in(p[2]), dim_out(p[3]), channels_out(p[4]), kinds(p[5]), first(p + 6) {}
  template <class Body>
  void each(const Body &body) const {
    const int64_t *p = first;
    for (int64_t k = 0; k < kinds; ++k) {
      const Kind kind{p[0], p[1], p[2], p + 3, p + 3 + p[1]};
      body(k, kind);
      p = kind.written + kind.out;
    }
  }
  double scale(const Kind &kind) const {
    return 1 / __builtin_sqrt(double(turned ? kind.out * channels_out : kind.in * channels_in));
  }
  int threads(int64_t nodes, int threads) const {
    int64_t flops = 0;
    each([&](int64_t, const Kind &kind) {
      flops += 2 * nodes * kind.dim * kind.in * kind.out * channels_in * channels_out;
    });
    return useful_threads(flops, threads);
  }
};

template <class T, int V>
void mix(const Plan &plan, int64_t nodes, const T *x, const T *const *w, T *y, int threads) {
  const int64_t C = plan.channels_in, D = plan.channels_out, parts = (D + WIDTH<T, V> - 1) / WIDTH<T, V>;
  int64_t vectors = 0;
  plan.each([&](int64_t, const Kind &kind) { vectors += kind.out * packed<T, V>(kind.in * C, D); });
  Scratch<T> panels(vectors);
  vec<T> *panel = panels.at(0);
  plan.each([&](int64_t k, const Kind &kind) {
    const int64_t n = kind.in * C, stride = plan.turned ? n : kind.out * D, copy = plan.turned ? n * D : D;
    for (int64_t a = 0; a < kind.out; ++a, panel += packed<T, V>(n, D))
      pack<T, V>(w[k] + a * copy, n, D, stride, plan.turned, T(plan.scale(kind)), panel);
  });
  parallel_for(
      (nodes + NODES - 1) / NODES, plan.threads(nodes, threads), [] { return 0; },
      [&](int &, int64_t task) {
        const int64_t begin = task * NODES, count = nodes - begin < NODES ? nodes - begin : NODES;
        const vec<T> *at = panels.at(0);
        plan.each([&](int64_t, const Kind &kind) {
          const int64_t n = kind.in * C;
          for (int64_t a = 0; a < kind.out; ++a)
            for (int64_t part = 0; part < parts; ++part, at += n * V) {
              const int64_t k0 = part * WIDTH<T, V>;
              in_groups(count * kind.dim, [&](int64_t first, auto rows) {
                constexpr int R = decltype(rows)::value;
                const T *from[R];
                T *to[R];
                for (int r = 0; r < R; ++r) {
                  const int64_t node = begin + (first + r) / kind.dim, m = (first + r) % kind.dim;
                  from[r] = x + (node * plan.dim_in + m) * C;
                  to[r] = y + (node * plan.dim_out + kind.written[a] + m) * D + k0;
                }
                vec<T> acc[R][V] = {};
                for (int64_t b = 0; b < kind.in; ++b) {
                  const int64_t offset = kind.read[b] * C;
                  const vec<T> *matrix = at + b * C * V;
                  sums<T, V, R>(
                      C, [&](int r, int64_t k) { return from[r][offset + k]; },
                      [&](int64_t k, vec<T> *across) {
                        for (int v = 0; v < V; ++v) across[v] = matrix[k * V + v];
                      },
                      acc);
                }
                for (int r = 0; r < R; ++r) put<T, V>(to[r], D - k0, acc[r]);
              });
            }
        });
      });
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_MIX(type, T)                                                                                       \
  INTERTWINE_EXPORT(mix, type)(const int64_t *numbers, const int64_t *nodes, const T *x,                 \
                               const T *const *w, T *y, int threads) {                                                \
    using namespace INTERTWINE_ISA;                                                                                   \
    const Plan plan(numbers);                                                                                   \
    if (plan.channels_out > lanes<T>) mix<T, WIDE>(plan, *nodes, x, w, y, threads);                                   \
    else mix<T, 1>(plan, *nodes, x, w, y, threads);                                                                   \
  }
INTERTWINE_MIX(f32, float)
INTERTWINE_MIX(f64, double)

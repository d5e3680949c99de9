// Messages along edges, summed at the receiver, without ever storing them; O(3) acts on the rows, channels are lanes.
//
//   z[i] = sum over edges e to i, paths p of  w[pair(e), p] * M_p(e) x[sender(e)]
//   M_p(e) = sum over j of C_p[., ., j] Y[e, j]
//
// M_p holds no channel: it is built once for an edge, for `lanes` edges at a time, and serves all channels. Every task is
// a run of receivers with all their edges, so that each row of z is written once and the order of sums is fixed.
#include "edges.h"
#include "radial.h"

namespace INTERTWINE_ISA {

template <class T>
struct Space {
  Scratch<T> y, m, x, z;
  explicit Space(const Couplings<T> &c)
      : y(c.dim2), m(c.entries_of_m), x(c.dim1 * WIDE), z(c.dim3 * WIDE) {}
};

template <class T>
void forward(const Couplings<T> &c, const Graph &g, const T *x, const T *filter, const T *w, const Radial<T> &radial,
             T *z, int threads) {
  const Tasks tasks(g);
  const int64_t C = g.channels;
  const bool far = is_far<T>(g.nodes * c.dim3 * C);
  parallel_for(
      tasks.count, threads, [&] { return Space<T>(c); },
      [&](Space<T> &s, int64_t task) {
        const int64_t from = task * tasks.nodes_each;
        const int64_t to = from + tasks.nodes_each < g.nodes ? from + tasks.nodes_each : g.nodes;
        channel_blocks<T>(C, [&](int64_t c0, int64_t count, auto width) {
          constexpr int V = decltype(width)::value;
          int64_t node = from;
          vec<T> *zs = s.z.at(0), *xs = s.x.at(0);
          memset(zs, 0, c.dim3 * V * sizeof(vec<T>));
          auto flush = [&] {
            put<T, V>(far, z + node * c.dim3 * C + c0, c.dim3, C, count, zs);
            memset(zs, 0, c.dim3 * V * sizeof(vec<T>));
            ++node;
          };
          int64_t at = g.first[from];
          runs<T>(
              g, g.first[from], g.first[to],
              [&](const int64_t *edges, int64_t n) { matrices(c, filter, edges, n, s.y.at(0), s.m.at(0)); },
              [&](int64_t edge, int e, int64_t next) {
                while (at >= g.first[node + 1]) flush();
                ++at;
                typename Radial<T>::Place at_length;
                if (radial.table) at_length = radial.place(edge, c.weights * C);
                const T *next_x = x + g.senders[next] * c.dim1 * C + c0;
                int64_t due = 0;  // rows of the next x are asked for path by path
                const T *weights = w + g.row(edge) * c.weights * C + c0;
                const T *next_weights = w + g.row(next) * c.weights * C + c0;
                fetch<T, V>(x + g.senders[edge] * c.dim1 * C + c0, c.dim1, C, count, xs);
                for (int64_t i = 0; i < c.paths; ++i) {
                  const Path &p = c.path[i];
                  const T *m = reinterpret_cast<const T *>(s.m.at(p.m)) + e;
                  const vec<T> *in = xs + p.x * V;
                  vec<T> *out = zs + p.z * V, weight[V];
                  for (due += c.dim1; due >= c.paths; due -= c.paths, next_x += C) expect<T, V>(next_x, 1, C);
                  if (w) expect<T, V>(next_weights + p.weight * C, 1, C);
                  if (radial.table)
                    blend<T, V>(at_length.rows + p.weight * C + c0, at_length.value, c.weights * C, count, weight);
                  else if (w && p.weight >= 0)
                    fetch<T, V>(weights + p.weight * C, 1, C, count, weight);
                  else for (int v = 0; v < V; ++v) weight[v] = vec<T>{} + T(1);
                  multiply<T, V>(
                      p.d3, p.d1, m, p.d1 * lanes<T>, lanes<T>, [=](int k) { return in + k * V; },
                      [=](int r, const vec<T> *acc) {
                        for (int v = 0; v < V; ++v) out[r * V + v] += weight[v] * acc[v];
                      });
                }
              });
          while (node < to) flush();
        });
      });
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_CONVOLVE(type, T)                                                                                   \
  INTERTWINE_EXPORT(convolve, type)(const int32_t *structure, const T *coef, const int64_t *sizes,                     \
                                    const int64_t *senders, const int64_t *first, const int64_t *order,                \
                                    const int64_t *pair, const T *x, const T *filter, const T *w, T *z, int threads) { \
    using namespace INTERTWINE_ISA;                                                                                    \
    const Graph graph{sizes[0], sizes[1], sizes[2], sizes[3], senders, first, order, pair};                            \
    forward<T>(Couplings<T>(structure, coef), graph, x, filter, w, Radial<T>{}, z, threads);                           \
  }                                                                                                                    \
  INTERTWINE_EXPORT(convolve_radial, type)(const int32_t *structure, const T *coef, const int64_t *sizes,              \
                                           const int64_t *senders, const int64_t *first, const int64_t *order,         \
                                           const T *x, const T *filter, const T *length, const T *table,               \
                                           const double *range, T *z, int threads) {                                   \
    using namespace INTERTWINE_ISA;                                                                                    \
    const Graph graph{sizes[0], sizes[1], sizes[2], 0, senders, first, order, nullptr};                                \
    const Radial<T> radial{table, length, sizes[3], T(range[0]), T(range[1]), nullptr};                                \
    forward<T>(Couplings<T>(structure, coef), graph, x, filter, nullptr, radial, z, threads);                          \
  }
INTERTWINE_CONVOLVE(f32, float)
INTERTWINE_CONVOLVE(f64, double)

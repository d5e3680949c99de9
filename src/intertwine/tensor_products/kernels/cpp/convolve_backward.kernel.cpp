// Gradients of sums of messages, first and second, in one pass over the edges; O(3) acts on the rows, channels are lanes.
//
// The result is linear in x, filter, weights and its own gradient, each: the second pass is the first in dual numbers.
// Gradients by x are kept edge by edge, dim1 rows each, for some thousand edges at a time that stay in the cache, and
// then added up by sender, in the order of the edges; on one thread they are added at once, in the same order. Gradients
// by weights of a pair come from two edges: the first to arrive stores, the second adds, and which one that is makes no
// difference to a sum of two.
#include "edges.h"
#include "radial.h"

namespace INTERTWINE_ISA {

// What the backward passes are given and what they find; tangents (h..) and the gradient by gz for the second only.
template <class T>
struct Pass {
  const T *x, *filter, *w, *gz, *hx, *hfilter, *hw;
  T *gx, *gfilter, *gw, *dz;
  Radial<T> radial;
};
// Positions in `Graph::order`, ascending, of the edges that start at node n: places[first[n]] to places[first[n + 1] - 1].
struct Senders {
  const int64_t *first, *places;
};

// The terms of M sorted by the component of the filter that they hold: how gradients of M flow back to the filter.
template <class T>
struct ByFilter {
  int32_t *start, *entry;
  T *coef;
  explicit ByFilter(const Couplings<T> &c)
      : start(static_cast<int32_t *>(calloc(c.dim2 + 2, sizeof(int32_t)))),
        entry(static_cast<int32_t *>(malloc((c.start[c.entries_of_m] + 1) * sizeof(int32_t)))),
        coef(static_cast<T *>(malloc((c.start[c.entries_of_m] + 1) * sizeof(T)))) {
    if (!start || !entry || !coef) abort();
    for (int32_t s = 0; s < c.start[c.entries_of_m]; ++s) ++start[c.filter[s] + 2];
    for (int64_t j = 0; j < c.dim2; ++j) start[j + 2] += start[j + 1];
    for (int64_t k = 0; k < c.entries_of_m; ++k)
      for (int32_t s = c.start[k]; s < c.start[k + 1]; ++s) {
        const int32_t place = start[c.filter[s] + 1]++;
        entry[place] = int32_t(k), coef[place] = c.coef[s];
      }
  }
  ~ByFilter() { free(start), free(entry), free(coef); }
  ByFilter(const ByFilter &) = delete;
  ByFilter &operator=(const ByFilter &) = delete;
};

template <class T>
struct Workspace {
  Scratch<T> y, m, hm, x, hx, g, z, u, hu, gx, gm;
  ByFilter<T> by_filter;
  Workspace(const Couplings<T> &c, int64_t tallest)
      : y(c.dim2), m(c.entries_of_m), hm(c.entries_of_m), x(c.dim1 * WIDE), hx(c.dim1 * WIDE), g(c.dim3 * WIDE),
        z(c.dim3 * WIDE), u(tallest * WIDE), hu(tallest * WIDE), gx(c.dim1 * WIDE), gm(c.entries_of_m), by_filter(c) {}
};

// Rows r .. r + R of a path in dual numbers: emit(row, M x, M hx + hM x).
template <class T, int V, int R, class Emit>
inline void dual_rows(int r, const Path &p, const T *m, const T *hm, const vec<T> *x, const vec<T> *hx,
                      const Emit &emit) {
  vec<T> acc[R][V] = {}, hacc[R][V] = {};
  const int64_t across = p.d1 * lanes<T>;
  m += r * across, hm += r * across;
  for (int i = 0; i < p.d1; ++i)
    for (int k = 0; k < R; ++k) {
      const T c = m[k * across + i * lanes<T>], hc = hm[k * across + i * lanes<T>];
      for (int v = 0; v < V; ++v) {
        acc[k][v] += c * x[i * V + v];
        hacc[k][v] += c * hx[i * V + v] + hc * x[i * V + v];
      }
    }
  for (int k = 0; k < R; ++k) emit(r + k, acc[k], hacc[k]);
}

// One edge and one path. TWICE: the same in dual numbers, whose dual parts are what is written.
template <class T, int V, bool TWICE>
inline void pull(const Path &p, Workspace<T> &s, int e, const vec<T> *weight, const vec<T> *hweight, vec<T> *gw,
                 const Pass<T> &in) {
  const T *m = reinterpret_cast<const T *>(s.m.at(p.m)) + e, *hm = reinterpret_cast<const T *>(s.hm.at(p.m)) + e;
  const vec<T> *x = s.x.at(p.x * V), *hx = s.hx.at(p.x * V), *g = s.g.at(p.z * V);
  vec<T> *u = s.u.at(0), *hu = s.hu.at(0), *gx = s.gx.at(p.x * V), *z = s.z.at(p.z * V), total[V] = {};
  const int64_t across = p.d1 * lanes<T>;
  if (TWICE) {
    const auto emit = [&](int r, const vec<T> *t, const vec<T> *ht) {
      for (int v = 0; v < V; ++v) {
        const vec<T> gr = g[r * V + v];
        total[v] += gr * ht[v];
        u[r * V + v] = weight[v] * gr;
        hu[r * V + v] = hweight[v] * gr;
        z[r * V + v] += weight[v] * ht[v] + hweight[v] * t[v];
      }
    };
    int r = 0;
    for (; r + 2 <= p.d3; r += 2) dual_rows<T, V, 2>(r, p, m, hm, x, hx, emit);
    if (r < p.d3) dual_rows<T, V, 1>(r, p, m, hm, x, hx, emit);
  } else if (!in.gw && !in.radial.glength) {
    for (int r = 0; r < p.d3; ++r)
      for (int v = 0; v < V; ++v) u[r * V + v] = weight[v] * g[r * V + v];
  } else {
    multiply<T, V>(
        p.d3, p.d1, m, across, lanes<T>, [=](int k) { return x + k * V; },
        [&](int r, const vec<T> *t) {
          for (int v = 0; v < V; ++v) {
            const vec<T> gr = g[r * V + v];
            total[v] += gr * t[v];
            u[r * V + v] = weight[v] * gr;
          }
        });
  }
  for (int v = 0; v < V; ++v) gw[v] = total[v];
  if (in.gx) {
    const vec<T> *once = TWICE ? hu : u;
    multiply<T, V>(
        p.d1, p.d3, m, lanes<T>, across, [=](int k) { return once + k * V; },
        [=](int i, const vec<T> *acc) {
          for (int v = 0; v < V; ++v) gx[i * V + v] += acc[v];
        });
    if (TWICE)
      multiply<T, V>(
          p.d1, p.d3, hm, lanes<T>, across, [=](int k) { return u + k * V; },
          [=](int i, const vec<T> *acc) {
            for (int v = 0; v < V; ++v) gx[i * V + v] += acc[v];
          });
  }
  if (in.gfilter) {
    vec<T> *gm = s.gm.at(p.m);
    for (int r = 0; r < p.d3; ++r) {
      vec<T> row[V], hrow[V];
      for (int v = 0; v < V; ++v) {
        row[v] = u[r * V + v];
        if (TWICE) hrow[v] = hu[r * V + v];
      }
      for (int i = 0; i < p.d1; ++i) {
        vec<T> sum = {};
        for (int v = 0; v < V; ++v) sum += TWICE ? row[v] * hx[i * V + v] + hrow[v] * x[i * V + v] : row[v] * x[i * V + v];
        *gm++ = sum;
      }
    }
  }
}

// Gradients of the matrices, still spread over channels, to those of the filter. Two sums at once: each waits less.
template <class T>
inline void to_filter(const Couplings<T> &c, Workspace<T> &s, T *gfilter, bool add) {
  const ByFilter<T> &by = s.by_filter;
  const vec<T> *gm = s.gm.at(0);
  for (int64_t j = 0; j < c.dim2; ++j) {
    vec<T> even = {}, odd = {};
    int32_t k = by.start[j];
    for (; k + 1 < by.start[j + 1]; k += 2) {
      even += by.coef[k] * gm[by.entry[k]];
      odd += by.coef[k + 1] * gm[by.entry[k + 1]];
    }
    if (k < by.start[j + 1]) even += by.coef[k] * gm[by.entry[k]];
    gfilter[j] = sum<T>(even + odd) + (add ? gfilter[j] : T(0));
  }
}

// Who has been at the weights of a pair: the first edge finds them new. Several threads take turns.
class Turns {
 public:
  Turns(int64_t pairs, bool shared) : shared_(shared), state_(static_cast<uint8_t *>(calloc(pairs + 1, 1))) {
    if (!state_) abort();
  }
  ~Turns() { free(state_); }
  Turns(const Turns &) = delete;
  Turns &operator=(const Turns &) = delete;
  bool taken(int64_t pair) const { return state_[pair]; }
  bool enter(int64_t pair) {  // whether someone has been here before
    uint8_t before = shared_ ? BUSY : state_[pair];
    while (before == BUSY) before = __atomic_exchange_n(state_ + pair, BUSY, __ATOMIC_ACQUIRE);
    return before == SEEN;
  }
  void leave(int64_t pair) {
    if (shared_) __atomic_store_n(state_ + pair, SEEN, __ATOMIC_RELEASE);
    else state_[pair] = SEEN;
  }

 private:
  static constexpr uint8_t SEEN = 1, BUSY = 2;
  const bool shared_;
  uint8_t *state_;
};

// The edges of the receivers begin .. end. Where there is `by_edge`, gradients by x go there, edge by edge.
template <class T, bool TWICE>
void backward(const Couplings<T> &c, const Graph &g, const Pass<T> &in, int64_t begin, int64_t end, Turns &turns,
              T *by_edge, int threads) {
  const Tasks tasks(g, begin, end);
  const int64_t C = g.channels, first_place = g.first[begin];
  int64_t tallest = 1;
  bool shared = false;  // weights that several paths add to are read again
  for (int64_t i = 0; i < c.paths; ++i) {
    tallest = c.path[i].d3 > tallest ? c.path[i].d3 : tallest;
    shared = shared || c.path[i].shared;
  }
  const bool paired = g.pair && in.gw;
  const bool far_gw = !shared && !(paired && threads > 1) && is_far<T>(g.edges * c.weights * C);
  const int64_t blocks = (C + lanes<T> - 1) / lanes<T>;
  const bool far_z = is_far<T>(g.nodes * c.dim3 * C);
  parallel_for(
      tasks.count, threads, [&] { return Workspace<T>(c, tallest); },
      [&](Workspace<T> &s, int64_t task) {
        const int64_t from = begin + task * tasks.nodes_each;
        const int64_t to = from + tasks.nodes_each < end ? from + tasks.nodes_each : end;
        channel_blocks<T>(C, [&](int64_t c0, int64_t count, auto width) {
          constexpr int V = decltype(width)::value;
          int64_t node = from, at = g.first[from];
          auto open = [&] {
            if (node == to) return;
            fetch<T, V>(in.gz + node * c.dim3 * C + c0, c.dim3, C, count, s.g.at(0));
            if (TWICE) memset(s.z.at(0), 0, c.dim3 * V * sizeof(vec<T>));
          };
          auto close = [&] {
            if (TWICE) put<T, V>(far_z, in.dz + node * c.dim3 * C + c0, c.dim3, C, count, s.z.at(0));
            ++node;
          };
          open();
          if (TWICE && !in.hx) memset(s.hx.at(0), 0, c.dim1 * V * sizeof(vec<T>));
          if (TWICE && !in.hfilter) memset(s.hm.at(0), 0, c.entries_of_m * sizeof(vec<T>));
          runs<T>(
              g, g.first[from], g.first[to],
              [&](const int64_t *edges, int64_t n) {
                matrices(c, in.filter, edges, n, s.y.at(0), s.m.at(0));
                if (TWICE && in.hfilter) matrices(c, in.hfilter, edges, n, s.y.at(0), s.hm.at(0));
              },
              [&](int64_t edge, int e, int64_t next) {
                while (at >= g.first[node + 1]) close(), open();
                int64_t next_row = g.senders[next] * c.dim1 * C + c0, due = 0;
                const int64_t place = at++, row = g.senders[edge] * c.dim1 * C + c0;
                typename Radial<T>::Place at_length;
                if (in.radial.table) at_length = in.radial.place(edge, c.weights * C);
                vec<T> glength = {};
                fetch<T, V>(in.x + row, c.dim1, C, count, s.x.at(0));
                if (TWICE && in.hx) fetch<T, V>(in.hx + row, c.dim1, C, count, s.hx.at(0));
                memset(s.gx.at(0), 0, c.dim1 * V * sizeof(vec<T>));
                const int64_t weights = g.row(edge) * c.weights * C + c0;
                const int64_t next_weights = g.row(next) * c.weights * C + c0;
                const int64_t turn = g.row(edge) * blocks + c0 / lanes<T>;
                const bool second = paired && turns.enter(turn);
                for (int64_t i = 0; i < c.paths; ++i) {
                  const Path &p = c.path[i];
                  vec<T> weight[V], hweight[V], gw[V];
                  for (int v = 0; v < V; ++v) weight[v] = vec<T>{} + T(1), hweight[v] = vec<T>{};
                  const int64_t slot = weights + p.weight * C, next_slot = next_weights + p.weight * C;
                  for (due += c.dim1; due >= c.paths; due -= c.paths, next_row += C) {
                    expect<T, V>(in.x + next_row, 1, C);
                    if (TWICE && in.hx) expect<T, V>(in.hx + next_row, 1, C);
                  }
                  if (in.w) expect<T, V>(in.w + next_slot, 1, C);
                  if (TWICE && in.hw) expect<T, V>(in.hw + next_slot, 1, C);
                  if (in.w) fetch<T, V>(in.w + slot, 1, C, count, weight);
                  const T *rows = at_length.rows + p.weight * C + c0;
                  if (in.radial.table) blend<T, V>(rows, at_length.value, c.weights * C, count, weight);
                  if (TWICE && in.hw) fetch<T, V>(in.hw + slot, 1, C, count, hweight);
                  pull<T, V, TWICE>(p, s, e, weight, hweight, gw, in);
                  if (in.gw && (p.shared || second)) {
                    vec<T> before[V];
                    fetch<T, V>(in.gw + slot, 1, C, count, before);
                    for (int v = 0; v < V; ++v) gw[v] += before[v];
                  }
                  if (in.gw) put<T, V>(far_gw, in.gw + slot, 1, C, count, gw);
                  if (in.radial.glength) {
                    vec<T> slope[V];
                    blend<T, V>(rows, at_length.slope, c.weights * C, count, slope);
                    for (int v = 0; v < V; ++v) glength += gw[v] * slope[v];
                  }
                }
                if (paired) turns.leave(turn);
                if (in.radial.glength) in.radial.glength[edge] = sum<T>(glength) + (c0 ? in.radial.glength[edge] : T(0));
                if (in.gfilter) to_filter(c, s, in.gfilter + edge * c.dim2, c0 > 0);
                if (by_edge) {
                  put<T, V>(by_edge + (place - first_place) * c.dim1 * C + c0, c.dim1, C, count, s.gx.at(0));
                } else if (in.gx) {
                  vec<T> *before = s.x.at(0);
                  fetch<T, V>(in.gx + row, c.dim1, C, count, before);
                  for (int64_t k = 0; k < c.dim1 * V; ++k) before[k] += s.gx[k];
                  put<T, V>(in.gx + row, c.dim1, C, count, before);
                }
              });
          while (node < to) close(), open();
        });
      });
}

// gx[node] += the edges that start at a node with places from `begin` to `end`, in the order in which one thread would
// have added them. next[node] is the first of its places that is still to come.
template <class T>
void gather(const T *by_edge, const Senders &senders, int64_t begin, int64_t end, int64_t nodes, int64_t size, T *gx,
            int64_t *next, int threads) {
  constexpr int64_t NODES = 64;
  parallel_for(
      (nodes + NODES - 1) / NODES, threads, [] { return 0; },
      [&](int &, int64_t task) {
        const int64_t last = task * NODES + NODES < nodes ? task * NODES + NODES : nodes;
        for (int64_t node = task * NODES; node < last; ++node) {
          T *to = gx + node * size;
          int64_t k = next[node];
          for (; k < senders.first[node + 1] && senders.places[k] < end; ++k) {
            const T *from = by_edge + (senders.places[k] - begin) * size;
            int64_t i = 0;
            for (; i + lanes<T> <= size; i += lanes<T>) store(to + i, load(to + i) + load(from + i));
            for (; i < size; ++i) to[i] += from[i];
          }
          next[node] = k;
        }
      });
}

// Of gradients by x, edge by edge, before they are added up: what a shared cache has room for.
constexpr int64_t BY_EDGE_BYTES = 8 << 20;

// All edges: on one thread, or without gradients by x, in one go; else so many receivers at a time as there is room for.
template <class T, bool TWICE>
void backward(const Couplings<T> &c, const Graph &g, const Senders &senders, const Pass<T> &in, int threads) {
  const bool paired = g.pair && in.gw;
  const int64_t blocks = (g.channels + lanes<T> - 1) / lanes<T>, row = c.weights * g.channels;
  Turns turns(paired ? g.pairs * blocks : 0, threads > 1);
  if (threads > 1 && in.gx) {
    const int64_t size = c.dim1 * g.channels, wanted = BY_EDGE_BYTES / int64_t(size * sizeof(T)) + 1;
    int64_t room = g.edges < wanted ? g.edges : wanted;
    for (int64_t node = 0; node < g.nodes; ++node)
      if (g.first[node + 1] - g.first[node] > room) room = g.first[node + 1] - g.first[node];
    Scratch<T> by_edge((room * size + lanes<T> - 1) / lanes<T>);
    T *at = reinterpret_cast<T *>(by_edge.at(0));
    int64_t *next = static_cast<int64_t *>(malloc((g.nodes + 1) * sizeof(int64_t)));
    if (!next) abort();
    memcpy(next, senders.first, (g.nodes + 1) * sizeof(int64_t));
    for (int64_t begin = 0, end; begin < g.nodes; begin = end) {
      for (end = begin + 1; end < g.nodes && g.first[end + 1] - g.first[begin] <= room;) ++end;
      backward<T, TWICE>(c, g, in, begin, end, turns, at, threads);
      gather<T>(at, senders, g.first[begin], g.first[end], g.nodes, size, in.gx, next, threads);
    }
    free(next);
  } else {
    backward<T, TWICE>(c, g, in, 0, g.nodes, turns, nullptr, threads);
  }
  for (int64_t pair = 0; paired && pair < g.pairs; ++pair)  // weights that no edge has read
    if (!turns.taken(pair * blocks)) memset(in.gw + pair * row, 0, size_t(row) * sizeof(T));
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_CONVOLVE_BACKWARD(type, T)                                                                          \
  INTERTWINE_EXPORT(convolve_radial_backward, type)(                                                                   \
      const int32_t *structure, const T *coef, const int64_t *sizes, const int64_t *senders, const int64_t *first,     \
      const int64_t *order, const T *x, const T *filter, const T *length, const T *table, const double *range,         \
      const T *gz, T *gx, T *gfilter, T *glength, const int64_t *sender_first, const int64_t *places, int threads) {   \
    using namespace INTERTWINE_ISA;                                                                                    \
    const Graph graph{sizes[0], sizes[1], sizes[2], 0, senders, first, order, nullptr};                                \
    const Radial<T> radial{table, length, sizes[3], T(range[0]), T(range[1]), glength};                                \
    const Pass<T> pass{x,  filter,  nullptr, gz,      nullptr, nullptr, nullptr,                                       \
                       gx, gfilter, nullptr, nullptr, radial};                                                         \
    backward<T, false>(Couplings<T>(structure, coef), graph, {sender_first, places}, pass, threads);                   \
  }                                                                                                                    \
  INTERTWINE_EXPORT(convolve_backward, type)(const int32_t *structure, const T *coef, const int64_t *sizes,            \
                                             const int64_t *senders, const int64_t *first, const int64_t *order,       \
                                             const int64_t *pair, const T *x, const T *filter, const T *w,             \
                                             const T *gz, T *gx, T *gfilter, T *gw, const int64_t *sender_first,       \
                                             const int64_t *places, int threads) {                                     \
    using namespace INTERTWINE_ISA;                                                                                    \
    const Graph graph{sizes[0], sizes[1], sizes[2], sizes[3], senders, first, order, pair};                            \
    const Pass<T> pass{x, filter, w, gz, nullptr, nullptr, nullptr, gx, gfilter, gw, nullptr, {}};                     \
    backward<T, false>(Couplings<T>(structure, coef), graph, {sender_first, places}, pass, threads);                   \
  }                                                                                                                    \
  INTERTWINE_EXPORT(convolve_twice, type)(const int32_t *structure, const T *coef, const int64_t *sizes,               \
                                          const int64_t *senders, const int64_t *first, const int64_t *order,          \
                                          const int64_t *pair, const T *x, const T *filter, const T *w, const T *gz,   \
                                          const T *hx, const T *hfilter, const T *hw, T *dx, T *dfilter, T *dw, T *dz, \
                                          const int64_t *sender_first, const int64_t *places, int threads) {           \
    using namespace INTERTWINE_ISA;                                                                                    \
    const Graph graph{sizes[0], sizes[1], sizes[2], sizes[3], senders, first, order, pair};                            \
    const Pass<T> pass{x, filter, w, gz, hx, hfilter, hw, dx, dfilter, dw, dz, {}};                                    \
    backward<T, true>(Couplings<T>(structure, coef), graph, {sender_first, places}, pass, threads);                    \
  }
INTERTWINE_CONVOLVE_BACKWARD(f32, float)
INTERTWINE_CONVOLVE_BACKWARD(f64, double)

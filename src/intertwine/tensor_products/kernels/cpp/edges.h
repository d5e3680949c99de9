// What passes over the edges of a graph share: couplings, their matrices, rows of channels, tasks. O(3) acts on rows.
#pragma once

#include "dense.h"

namespace INTERTWINE_ISA {

struct Path {
  int32_t x, d1, z, d3, weight, m, shared;  // rows of x and z, row of the weight or -1, place in M, weight seen before
};
template <class T>
struct Couplings {
  int64_t paths, dim1, dim2, dim3, weights, entries_of_m;
  const Path *path;
  const int32_t *start, *filter;  // entry k of M is a sum over s in [start[k], start[k + 1]) of coef[s] * Y[filter[s]]
  const T *coef;

  Couplings(const int32_t *s, const T *coef)
      : paths(s[0]), dim1(s[1]), dim2(s[2]), dim3(s[3]), weights(s[4]), entries_of_m(s[5]),
        path(reinterpret_cast<const Path *>(s + 6)), start(s + 6 + 7 * s[0]), filter(start + s[5] + 1), coef(coef) {}
};
// Edges in the order of their receivers: edge number k of receiver i is order[first[i] + k]. The weights of an edge are
// row pair[edge], or without pairs its own.
struct Graph {
  int64_t nodes, edges, channels, pairs;
  const int64_t *senders, *first, *order, *pair;
  int64_t row(int64_t edge) const { return pair ? pair[edge] : edge; }
};

// Rows of V vectors; a single vector may have fewer than `lanes` numbers in memory.
template <class T, int V>
inline void fetch(const T *from, int64_t rows, int64_t stride, int64_t count, vec<T> *panel) {
  for (int64_t i = 0; i < rows; ++i)
    if (V == 1 && count < lanes<T>) panel[i] = load(from + i * stride, int(count));
    else for (int v = 0; v < V; ++v) panel[i * V + v] = load(from + i * stride + v * lanes<T>);
}
template <class T, int V>
inline void put(T *to, int64_t rows, int64_t stride, int64_t count, const vec<T> *panel) {
  for (int64_t i = 0; i < rows; ++i)
    if (V == 1 && count < lanes<T>) store(to + i * stride, panel[i], int(count));
    else for (int v = 0; v < V; ++v) store(to + i * stride + v * lanes<T>, panel[i * V + v]);
}

// Results longer than this leave no room in the caches for what is read: they go past them, and memory is not read
// just to be written over. Shorter ones stay near for whoever comes next.
constexpr int64_t FAR_BYTES = 8 << 20;
template <class T>
inline bool is_far(int64_t numbers) {
  return numbers * int64_t(sizeof(T)) > FAR_BYTES;
}
// As `put`, past the caches where asked for and where the address allows it.
template <class T, int V>
inline void put(bool far, T *to, int64_t rows, int64_t stride, int64_t count, const vec<T> *panel) {
#if defined(INTERTWINE_STREAMS)
  const bool aligned = (reinterpret_cast<uintptr_t>(to) | (rows > 1 ? stride * sizeof(T) : 0)) % sizeof(vec<T>) == 0;
  if (far && aligned && count >= lanes<T>) {
    for (int64_t i = 0; i < rows; ++i)
      for (int v = 0; v < V; ++v) store_far<T>(to + i * stride + v * lanes<T>, panel[i * V + v]);
    return;
  }
#else
  (void)far;
#endif
  put<T, V>(to, rows, stride, count, panel);
}

// The matrices of `lanes` edges at once: m[k * lanes + e].
template <class T>
inline void matrices(const Couplings<T> &c, const T *filter, const int64_t *edges, int64_t count, vec<T> *y, vec<T> *m) {
  for (int64_t j = 0; j < c.dim2; ++j) {
    vec<T> row = {};
    for (int64_t e = 0; e < count; ++e) row[e] = filter[edges[e] * c.dim2 + j];
    y[j] = row;
  }
  for (int64_t k = 0; k < c.entries_of_m; ++k) {
    vec<T> total = {};
    for (int32_t s = c.start[k]; s < c.start[k + 1]; ++s) total += c.coef[s] * y[c.filter[s]];
    m[k] = total;
  }
}

// What an edge reads lies anywhere in memory: ask for it while the edge before is worked on.
template <class T, int V>
inline void expect(const T *from, int64_t rows, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i)
    for (int v = 0; v < V; ++v) __builtin_prefetch(from + i * stride + v * lanes<T>);
}

// The edges first .. last in runs of at most `lanes`: prepare(edges, count) before each run, body(edge, e, next) for
// each, with the edge that follows.
template <class T, class Prepare, class Body>
inline void runs(const Graph &g, int64_t first, int64_t last, const Prepare &prepare, const Body &body) {
  for (int64_t at = first; at < last; at += lanes<T>) {
    const int64_t count = last - at < lanes<T> ? last - at : lanes<T>;
    prepare(g.order + at, count);
    for (int64_t e = 0; e < count; ++e) body(g.order[at + e], int(e), g.order[at + e + (at + e + 1 < last)]);
  }
}

// Blocks of channels: V vectors where so many are left, single vectors at the end.
#if defined(INTERTWINE_ISA_avx512)
constexpr int WIDE = 4;
#else
constexpr int WIDE = 2;
#endif
template <int N>
struct Number {
  static constexpr int value = N;
};
template <class T, class Body>
inline void channel_blocks(int64_t channels, const Body &body) {
  int64_t c = 0;
  for (; c + WIDE * lanes<T> <= channels; c += WIDE * lanes<T>)
    body(c, int64_t(WIDE * lanes<T>), Number<WIDE>());
  for (; c < channels; c += lanes<T>)
    body(c, channels - c < lanes<T> ? channels - c : int64_t(lanes<T>), Number<1>());
}

// Tasks: runs of receivers with about this many edges, out of all or of those from `begin` to `end`.
constexpr int64_t EDGES_OF_TASK = 64;
struct Tasks {
  int64_t count, nodes_each;
  explicit Tasks(const Graph &g) : Tasks(g, 0, g.nodes) {}
  Tasks(const Graph &g, int64_t begin, int64_t end) {
    const int64_t nodes = end - begin, wanted = (g.first[end] - g.first[begin]) / EDGES_OF_TASK + 1;
    nodes_each = (nodes + wanted - 1) / wanted;
    if (nodes_each < 1) nodes_each = 1;
    count = (nodes + nodes_each - 1) / nodes_each;
  }
};

}  // namespace INTERTWINE_ISA

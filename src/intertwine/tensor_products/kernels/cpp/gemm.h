// Products with a matrix that many rows share: packed once a call, then multiplied a few rows at a time. No group acts.
#pragma once

#include "panels.h"

namespace INTERTWINE_ISA {

// Rows and vectors whose sums the registers hold at once.
constexpr int ROWS = 6;
#if defined(INTERTWINE_ISA_avx512)
constexpr int WIDE = 4;
#else
constexpr int WIDE = 2;
#endif
template <class T, int V>
constexpr int64_t WIDTH = V * lanes<T>;
// Of a thread at least: less is done before another thread has woken up.
constexpr int64_t FLOPS_OF_THREAD = 2000000;

inline int useful_threads(int64_t flops, int threads) {
  const int64_t useful = flops / FLOPS_OF_THREAD + 1;
  return useful < threads ? int(useful) : threads;
}

// acc[r][v] = sum over k < n of scalar(r, k) * row(k)[v]
template <class T, int V, int R, class Scalar, class Row>
inline void sums(int64_t n, const Scalar &scalar, const Row &row, vec<T> (&acc)[R][V]) {
  for (int64_t k = 0; k < n; ++k) {
    vec<T> across[V];
    row(k, across);
    for (int r = 0; r < R; ++r) {
      const T c = scalar(r, k);
      for (int v = 0; v < V; ++v) acc[r][v] += c * across[v];
    }
  }
}
template <int N>
struct Rows {
  static constexpr int value = N;
};
// body(first row, Rows<R>()) for `count` rows in groups of about equal size, at most ROWS.
template <class Body>
inline void in_groups(int64_t count, const Body &body) {
  int64_t r = 0;
  for (int64_t groups = (count + ROWS - 1) / ROWS; groups > 0; --groups) {
    const int64_t size = (count - r + groups - 1) / groups;
    switch (size) {
      case 1: body(r, Rows<1>()); break;
      case 2: body(r, Rows<2>()); break;
      case 3: body(r, Rows<3>()); break;
      case 4: body(r, Rows<4>()); break;
      case 5: body(r, Rows<5>()); break;
      default: body(r, Rows<6>());
    }
    r += size;
  }
}
// `V` vectors, of which only `count` numbers are in memory.
template <class T, int V>
inline void fetch(const T *from, int64_t count, vec<T> *to) {
  for (int v = 0; v < V; ++v, count -= lanes<T>)
    to[v] = count >= lanes<T> ? load(from + v * lanes<T>) : count > 0 ? load(from + v * lanes<T>, int(count)) : vec<T>{};
}
template <class T, int V>
inline void put(T *to, int64_t count, const vec<T> *from) {
  for (int v = 0; v < V && count > 0; ++v, count -= lanes<T>)
    if (count >= lanes<T>) store(to + v * lanes<T>, from[v]);
    else store(to + v * lanes<T>, from[v], int(count));
}

// s * W as panels, `WIDTH` columns beside each other: panel[(part * n + k) * V] is row k of the columns `part * WIDTH` on.
// W is [n, columns] with rows `stride` apart or, turned, the other way round: [columns, n] with columns `stride` apart.
template <class T, int V>
void pack(const T *w, int64_t n, int64_t columns, int64_t stride, bool turned, T s, vec<T> *panel) {
  for (int64_t k0 = 0; k0 < columns; k0 += WIDTH<T, V>, panel += n * V) {
    const int64_t count = columns - k0 < WIDTH<T, V> ? columns - k0 : WIDTH<T, V>;
    if (!turned) {
      for (int64_t k = 0; k < n; ++k) {
        fetch<T, V>(w + k * stride + k0, count, panel + k * V);
        for (int v = 0; v < V; ++v) panel[k * V + v] *= s;
      }
      continue;
    }
    for (int64_t k = 0; k < n; k += lanes<T>) {
      const int64_t rows = n - k < lanes<T> ? n - k : lanes<T>;
      for (int v = 0; v < V; ++v) {
        vec<T> tile[lanes<T>];
        for (int64_t i = 0; i < lanes<T>; ++i) {
          const int64_t column = v * lanes<T> + i;
          const T *from = w + (k0 + column) * stride + k;
          tile[i] = column >= count ? vec<T>{} : rows == lanes<T> ? load(from) : load(from, int(rows));
        }
        transpose<T>(tile);
        for (int64_t i = 0; i < rows; ++i) panel[(k + i) * V + v] = s * tile[i];
      }
    }
  }
}
// Vectors that `pack` writes.
template <class T, int V>
inline int64_t packed(int64_t n, int64_t columns) {
  return (columns + WIDTH<T, V> - 1) / WIDTH<T, V> * n * V;
}

}  // namespace INTERTWINE_ISA

// Weights of edges from a table over their length, looked up where they are used. No group acts here.
#pragma once

#include "edges.h"

namespace INTERTWINE_ISA {

// Weights as functions of the length of an edge: a quintic Hermite table, of which row 3 i + k is the k-th derivative at
// point i, `paths * channels` numbers in units of the step. A weight is a sum over six rows that follow each other.
template <class T>
struct Radial {
  const T *table, *length;
  int64_t points;
  T start, step;
  T *glength;
  struct Place {
    const T *rows;
    T value[6], slope[6];
  };
  Place place(int64_t edge, int64_t width) const {
    Place p;
    T u = (length[edge] - start) / step;
    u = u < 0 ? 0 : u > T(points - 1) ? T(points - 1) : u;
    const int64_t i = int64_t(u) < points - 2 ? int64_t(u) : points - 2;
    const T t = u - T(i), s = 1 - t;
    p.rows = table + 3 * i * width;
    p.value[0] = s * s * s * (1 + t * (3 + 6 * t));
    p.value[1] = s * s * s * t * (1 + 3 * t);
    p.value[2] = s * s * s * t * t / 2;
    p.value[3] = t * t * t * (1 + s * (3 + 6 * s));
    p.value[4] = -t * t * t * s * (1 + 3 * s);
    p.value[5] = t * t * t * s * s / 2;
    const T inside = length[edge] > start && length[edge] < start + step * T(points - 1) ? 1 / step : T(0);
    p.slope[0] = inside * -30 * t * t * s * s;
    p.slope[1] = inside * s * s * (1 + t * (2 - 15 * t));
    p.slope[2] = inside * s * s * t * (1 - T(2.5) * t);
    p.slope[3] = -p.slope[0];
    p.slope[4] = inside * t * t * (1 + s * (2 - 15 * s));
    p.slope[5] = inside * -t * t * s * (1 - T(2.5) * s);
    return p;
  }
};
template <class T, int V>
inline void blend(const T *rows, const T *factors, int64_t width, int64_t count, vec<T> *to) {
  for (int v = 0; v < V; ++v) to[v] = vec<T>{};
  for (int k = 0; k < 6; ++k) {
    vec<T> row[V];
    fetch<T, V>(rows + k * width, 1, 0, count, row);
    for (int v = 0; v < V; ++v) to[v] += factors[k] * row[v];
  }
}

}  // namespace INTERTWINE_ISA

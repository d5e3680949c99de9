// The inner loop of all kernels: a small matrix of scalars times rows of vectors.
#pragma once

#include "lanes.h"

namespace INTERTWINE_ISA {

// Compilers like to read a vector from memory again for every product that it is part of; there are registers for it.
#if defined(INTERTWINE_ISA_avx512) && defined(__GNUC__)
#define INTERTWINE_HOLD(v) __asm__("" : "+v"(v))
#else
#define INTERTWINE_HOLD(v) (void)(v)
#endif

// emit(r, acc) for r in [first, first + R), with acc[v] = sum over k < n of coef[r * row + k * column] * in(k)[v].
// Four rows at once use every load of a vector four times, which keeps the multipliers busy.
template <class T, int V, int R, class In, class Emit>
inline void rows_of(int first, int n, const T *coef, int64_t row, int64_t column, const In &in, const Emit &emit) {
  vec<T> acc[R][V] = {};
  coef += first * row;
  for (int k = 0; k < n; ++k) {
    const vec<T> *from = in(k);
    vec<T> v[V];
    for (int i = 0; i < V; ++i) v[i] = from[i];
    if (R > 1)
      for (int i = 0; i < V; ++i) INTERTWINE_HOLD(v[i]);
    for (int r = 0; r < R; ++r) {
      const T c = coef[r * row + k * column];
      for (int i = 0; i < V; ++i) acc[r][i] += c * v[i];
    }
  }
  for (int r = 0; r < R; ++r) emit(first + r, acc[r]);
}

// The same for all rows r < count; in(k) gives the address of V vectors.
template <class T, int V, class In, class Emit>
inline void multiply(int count, int n, const T *coef, int64_t row, int64_t column, const In &in, const Emit &emit) {
  int r = 0;
  for (; r + 4 <= count; r += 4) rows_of<T, V, 4>(r, n, coef, row, column, in, emit);
  switch (count - r) {
    case 3: return rows_of<T, V, 3>(r, n, coef, row, column, in, emit);
    case 2: return rows_of<T, V, 2>(r, n, coef, row, column, in, emit);
    case 1: return rows_of<T, V, 1>(r, n, coef, row, column, in, emit);
  }
}

}  // namespace INTERTWINE_ISA

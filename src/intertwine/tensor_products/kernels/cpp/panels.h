// Features [batch, dim, channel] as panels [dim, V vectors]: `lanes * V` items at once, an item is one (batch, channel).
#pragma once

#include "lanes.h"

namespace INTERTWINE_ISA {

// Where a feature lies: `batch` and `channel` are strides between neighbours, 0 where one serves all; rows of `dim` are
// `row` apart. `channels` is the number of channels of the whole product, and items = batch size * channels.
struct Feature {
  int64_t dim, batch, row, channel, channels, items;
};

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define INTERTWINE_SHUFFLES
#endif
#endif

#ifdef INTERTWINE_SHUFFLES
template <int... I>
struct Sequence {};
template <int N, int... I>
struct Count : Count<N - 1, N - 1, I...> {};
template <int... I>
struct Count<0, I...> {
  typedef Sequence<I...> type;
};
template <class T, int S, int... I>
inline void exchange(vec<T> &a, vec<T> &b, Sequence<I...>) {
  constexpr int n = lanes<T>;
  const vec<T> low = __builtin_shufflevector(a, b, ((I & S) ? n + I - S : I)...);
  b = __builtin_shufflevector(a, b, ((I & S) ? n + I : I + S)...);
  a = low;
}
template <class T, int S>
inline void transpose_step(vec<T> *tile) {
  for (int i = 0; i < lanes<T>; ++i)
    if (!(i & S)) exchange<T, S>(tile[i], tile[i + S], typename Count<lanes<T>>::type());
  if constexpr (2 * S < lanes<T>) transpose_step<T, 2 * S>(tile);
}
// A square tile, in place: blocks off the diagonal change sides, ever larger ones.
template <class T>
inline void transpose(vec<T> *tile) {
  transpose_step<T, 1>(tile);
}
#else
template <class T>
inline void transpose(vec<T> *tile) {
  for (int i = 0; i < lanes<T>; ++i)
    for (int j = 0; j < i; ++j) {
      const T t = tile[i][j];
      tile[i][j] = tile[j][i];
      tile[j][i] = t;
    }
}
#endif

// panel[i * V + v] for the items from `first` on; lanes beyond the last item are zero.
template <class T, int V>
inline void pack(const T *from, const Feature &f, int64_t first, vec<T> *panel) {
  for (int v = 0; v < V; ++v) {
    const int64_t start = first + v * lanes<T>;
    const int64_t count = f.items - start < lanes<T> ? f.items - start : lanes<T>;
    if (count <= 0) {
      for (int64_t i = 0; i < f.dim; ++i) panel[i * V + v] = vec<T>{};
    } else if (f.channels == 1 && f.batch && f.row == 1) {
      for (int64_t i = 0; i < f.dim; i += lanes<T>) {
        const int width = int(f.dim - i < lanes<T> ? f.dim - i : lanes<T>);
        vec<T> tile[lanes<T>];
        for (int k = 0; k < lanes<T>; ++k) {
          const T *line = from + (start + k) * f.batch + i;
          tile[k] = k >= count ? vec<T>{} : width == lanes<T> ? load(line) : load(line, width);
        }
        transpose<T>(tile);
        for (int k = 0; k < width; ++k) panel[(i + k) * V + v] = tile[k];
      }
    } else if (f.channel == 1 && f.channels % lanes<T> == 0) {
      const T *line = from + start / f.channels * f.batch + start % f.channels;
      for (int64_t i = 0; i < f.dim; ++i) panel[i * V + v] = load(line + i * f.row);
    } else {
      for (int64_t i = 0; i < f.dim; ++i) panel[i * V + v] = vec<T>{};
      for (int k = 0; k < count; ++k) {
        const int64_t item = start + k;
        const T *line = from + item / f.channels * f.batch + item % f.channels * f.channel;
        for (int64_t i = 0; i < f.dim; ++i) panel[i * V + v][k] = line[i * f.row];
      }
    }
  }
}

// The way back; every item is written once, so `to` must not be shared between items.
template <class T, int V>
inline void unpack(T *to, const Feature &f, int64_t first, const vec<T> *panel) {
  for (int v = 0; v < V; ++v) {
    const int64_t start = first + v * lanes<T>;
    const int64_t count = f.items - start < lanes<T> ? f.items - start : lanes<T>;
    if (count <= 0) return;
    if (f.channels == 1 && f.row == 1) {
      for (int64_t i = 0; i < f.dim; i += lanes<T>) {
        const int width = int(f.dim - i < lanes<T> ? f.dim - i : lanes<T>);
        vec<T> tile[lanes<T>];
        for (int k = 0; k < lanes<T>; ++k) tile[k] = k < width ? panel[(i + k) * V + v] : vec<T>{};
        transpose<T>(tile);
        for (int k = 0; k < count; ++k) {
          T *line = to + (start + k) * f.batch + i;
          if (width == lanes<T>) store(line, tile[k]);
          else store(line, tile[k], width);
        }
      }
    } else if (f.channels % lanes<T> == 0) {
      T *line = to + start / f.channels * f.batch + start % f.channels;
      for (int64_t i = 0; i < f.dim; ++i) store(line + i * f.row, panel[i * V + v]);
    } else {
      for (int k = 0; k < count; ++k) {
        const int64_t item = start + k;
        T *line = to + item / f.channels * f.batch + item % f.channels;
        for (int64_t i = 0; i < f.dim; ++i) line[i * f.row] = panel[i * V + v][k];
      }
    }
  }
}

}  // namespace INTERTWINE_ISA

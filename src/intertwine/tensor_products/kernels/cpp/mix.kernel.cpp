// Mixing of channels: for every irrep a matrix over its copies and channels. O(3) acts on the rows, matrices on channels.
//
//   y[n, written_a + m, k] = s  sum over copies b, channels c of  x[n, read_b + m, c] W[b c, a k]
//
// A kind is what one matrix W mixes: the copies of an irrep. The gradient by x is the same map with W turned around, that
// by W is left to torch. Matrices are packed once a call: `V` vectors of a row beside each other, scaled.
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
constexpr int64_t NODES = 32;
// Of a thread at least: less is done before another thread has woken up.
constexpr int64_t FLOPS_OF_THREAD = 2000000;

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
  int64_t parts(int64_t width) const { return (channels_out + width - 1) / width; }
  int threads(int64_t nodes, int threads) const {
    int64_t flops = 0;
    each([&](int64_t, const Kind &kind) {
      flops += 2 * nodes * kind.dim * kind.in * kind.out * channels_in * channels_out;
    });
    const int64_t useful = flops / FLOPS_OF_THREAD + 1;
    return useful < threads ? int(useful) : threads;
  }
};

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

// panel[(part * n + k) * V]: row k of the columns `part * WIDTH` on, of the matrix to copy a.
template <class T, int V>
void pack(const Plan &plan, const Kind &kind, const T *w, int64_t a, vec<T> *panel) {
  const int64_t n = kind.in * plan.channels_in, columns = plan.channels_out, begin = a * columns;
  const T s = T(plan.scale(kind));
  for (int64_t part = 0; part < plan.parts(WIDTH<T, V>); ++part) {
    const int64_t k0 = part * WIDTH<T, V>, count = columns - k0 < WIDTH<T, V> ? columns - k0 : WIDTH<T, V>;
    vec<T> *to = panel + part * n * V;
    if (plan.turned) {
      for (int64_t k = 0; k < n; k += lanes<T>) {
        const int64_t rows = n - k < lanes<T> ? n - k : lanes<T>;
        for (int v = 0; v < V; ++v) {
          vec<T> tile[lanes<T>];
          for (int64_t i = 0; i < lanes<T>; ++i) {
            const int64_t column = v * lanes<T> + i;
            const T *from = w + (begin + k0 + column) * n + k;
            tile[i] = column >= count ? vec<T>{} : rows == lanes<T> ? load(from) : load(from, int(rows));
          }
          transpose<T>(tile);
          for (int64_t i = 0; i < rows; ++i) to[(k + i) * V + v] = s * tile[i];
        }
      }
    } else {
      for (int64_t k = 0; k < n; ++k) {
        fetch<T, V>(w + k * kind.out * columns + begin + k0, count, to + k * V);
        for (int v = 0; v < V; ++v) to[k * V + v] *= s;
      }
    }
  }
}

template <class T, int V>
void mix(const Plan &plan, int64_t nodes, const T *x, const T *const *w, T *y, int threads) {
  const int64_t C = plan.channels_in, D = plan.channels_out, parts = plan.parts(WIDTH<T, V>);
  int64_t vectors = 0, tallest = 1;
  plan.each([&](int64_t, const Kind &kind) {
    vectors += kind.out * parts * kind.in * C * V;
    if (kind.dim > tallest) tallest = kind.dim;
  });
  Scratch<T> panels(vectors);
  vec<T> *panel = panels.at(0);
  plan.each([&](int64_t k, const Kind &kind) {
    for (int64_t a = 0; a < kind.out; ++a, panel += parts * kind.in * C * V) pack<T, V>(plan, kind, w[k], a, panel);
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

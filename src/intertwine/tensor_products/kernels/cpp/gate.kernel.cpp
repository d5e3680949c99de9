// Entries scaled by the sigmoid of a scalar, and two derivatives. O(3) acts on rows, channels are lanes.
//
//   z = c s x,    s = 1 / (1 + exp(-a))                        a: the gate of the entry; silu is an entry that gates itself
//   gx = c s g,   ga = sum over rows  c s (1 - s) x g
//   and of  <hx, gx> + <ha, ga>  by g, x and a:
//   dg = c s (hx + t x ha),   dx = c s t g ha,   da = sum over rows  c s t g (hx + (1 - 2 s) x ha),        t = 1 - s
#include "exponential.h"

namespace INTERTWINE_ISA {

// `plan`: rows of x and of z, number of entries, then of each: row of its gate, its first row in x, its first row in z,
// its number of rows. `scale`: c of each entry.
struct Gates {
  int64_t dim_in, dim_out, count;
  const int64_t *entry;
  const double *scale;
};

// Memory of one node, `c` channels on; of what is not asked for null.
template <class T>
struct Lane {
  int64_t channels, left;
  vec<T> get(const T *from, int64_t row) const {
    from += row * channels;
    return left >= lanes<T> ? load(from) : load(from, int(left));
  }
  void set(T *to, int64_t row, vec<T> value) const {
    to += row * channels;
    if (left >= lanes<T>) store(to, value);
    else store(to, value, int(left));
  }
};

// body(lane, offset in x, offset in z, entry, c, s) for every node, vector of channels and entry.
template <class T, class Body>
void each(const Gates &gates, int64_t nodes, int64_t channels, const T *x, int threads, const Body &body) {
  const int64_t numbers = gates.dim_in * channels, at_once = numbers < 8192 ? 8192 / (numbers ? numbers : 1) : 1;
  parallel_for(
      (nodes + at_once - 1) / at_once, threads, [] { return 0; },
      [&](int &, int64_t task) {
        const int64_t last = (task + 1) * at_once < nodes ? (task + 1) * at_once : nodes;
        for (int64_t node = task * at_once; node < last; ++node)
          for (int64_t c = 0; c < channels; c += lanes<T>) {
            const Lane<T> lane{channels, channels - c};
            const int64_t in = node * numbers + c, out = node * gates.dim_out * channels + c;
            for (int64_t e = 0; e < gates.count; ++e) {
              const int64_t *entry = gates.entry + 4 * e;
              const vec<T> s = 1 / (1 + exponential<T>(-lane.get(x + in, entry[0])));
              body(lane, in, out, entry, vec<T>{} + T(gates.scale[e]), s);
            }
          }
      });
}

template <class T>
void gate(const Gates &gates, int64_t nodes, int64_t channels, const T *x, T *z, int threads) {
  each<T>(gates, nodes, channels, x, threads,
          [&](const Lane<T> &lane, int64_t in, int64_t out, const int64_t *entry, vec<T> c, vec<T> s) {
            for (int64_t m = 0; m < entry[3]; ++m)
              lane.set(z + out, entry[2] + m, c * s * lane.get(x + in, entry[1] + m));
          });
}

template <class T>
void gate_backward(const Gates &gates, int64_t nodes, int64_t channels, const T *x, const T *g, T *gx, int threads) {
  each<T>(gates, nodes, channels, x, threads,
          [&](const Lane<T> &lane, int64_t in, int64_t out, const int64_t *entry, vec<T> c, vec<T> s) {
            vec<T> total = {};
            for (int64_t m = 0; m < entry[3]; ++m) {
              const vec<T> slope = c * s * lane.get(g + out, entry[2] + m);
              total += slope * (1 - s) * lane.get(x + in, entry[1] + m);
              if (entry[0] == entry[1]) total += slope;
              else lane.set(gx + in, entry[1] + m, slope);
            }
            lane.set(gx + in, entry[0], total);
          });
}

template <class T>
void gate_twice(const Gates &gates, int64_t nodes, int64_t channels, const T *x, const T *g, const T *h, T *dx, T *dg,
                int threads) {
  each<T>(gates, nodes, channels, x, threads,
          [&](const Lane<T> &lane, int64_t in, int64_t out, const int64_t *entry, vec<T> c, vec<T> s) {
            const vec<T> ha = lane.get(h + in, entry[0]), t = 1 - s;
            vec<T> total = {};
            for (int64_t m = 0; m < entry[3]; ++m) {
              const vec<T> value = lane.get(x + in, entry[1] + m), hx = lane.get(h + in, entry[1] + m);
              const vec<T> slope = c * s * t * lane.get(g + out, entry[2] + m);
              lane.set(dg + out, entry[2] + m, c * s * (hx + t * value * ha));
              total += slope * (hx + (t - s) * value * ha);
              if (entry[0] == entry[1]) total += slope * ha;
              else lane.set(dx + in, entry[1] + m, slope * ha);
            }
            lane.set(dx + in, entry[0], total);
          });
}

}  // namespace INTERTWINE_ISA

// `sizes`: nodes, channels.
#define INTERTWINE_GATE(type, T)                                                                                       \
  INTERTWINE_EXPORT(gate, type)(const int64_t *plan, const double *scale, const int64_t *sizes, const T *x, T *z,      \
                                int threads) {                                                                         \
    using namespace INTERTWINE_ISA;                                                                                    \
    gate<T>(Gates{plan[0], plan[1], plan[2], plan + 3, scale}, sizes[0], sizes[1], x, z, threads);                     \
  }                                                                                                                    \
  INTERTWINE_EXPORT(gate_backward, type)(const int64_t *plan, const double *scale, const int64_t *sizes, const T *x,   \
                                         const T *g, T *gx, int threads) {                                             \
    using namespace INTERTWINE_ISA;                                                                                    \
    gate_backward<T>(Gates{plan[0], plan[1], plan[2], plan + 3, scale}, sizes[0], sizes[1], x, g, gx, threads);        \
  }                                                                                                                    \
  INTERTWINE_EXPORT(gate_twice, type)(const int64_t *plan, const double *scale, const int64_t *sizes, const T *x,      \
                                      const T *g, const T *h, T *dx, T *dg, int threads) {                             \
    using namespace INTERTWINE_ISA;                                                                                    \
    gate_twice<T>(Gates{plan[0], plan[1], plan[2], plan + 3, scale}, sizes[0], sizes[1], x, g, h, dx, dg, threads);    \
  }
INTERTWINE_GATE(f32, float)
INTERTWINE_GATE(f64, double)

// Products of functions on the sphere, forward and backward; O(3) acts on the rows, items are lanes.
//
//   z_lm = scale_lm times the integral of  f g Y_lm,      f = sum of scale_lm x_lm Y_lm,  g likewise of y
//
// On the rings of a Gauss-Legendre rule a function is a sum of cos(m phi) and sin(m phi), so that only the angle between
// the axis and the ring is sampled: the product of two rings is the product of two short trigonometric sums. Rings come
// in pairs, north and south: harmonics of even l - m agree on the two, those of odd l - m change sign. No point between
// them costs a thing, and nothing is larger than the functions of a few items, which stay in the nearest caches.
#include "dense.h"
#include "panels.h"

namespace INTERTWINE_ISA {

// The functions of one leg. Its harmonics, "slots", lie by order m, those of even l - m first, by degree; every slot has
// a cosine and a sine. Values on rings lie by pair of rings, north before south, then order m, cosine and sine.
template <class T>
struct Leg {
  int64_t dim, order, slots;
  const int32_t *counts;  // for every m: slots of even, then of odd l - m
  const int32_t *place;   // for every row of the feature: 2 slot, + 1 for a sine
  const T *scale;         // for every row
  const T *legendre;      // for every m and parity: ring pairs by slots
  int64_t rings(int64_t pairs) const { return pairs * (order + 1) * 4; }
};
template <class T>
struct Sphere {
  int64_t pairs;
  const T *weights;  // for every pair of rings, with the factors that products of trigonometric sums bring along
  Leg<T> leg[3];
  Sphere(const int32_t *structure, const T *numbers) : pairs(structure[0]), weights(numbers) {
    const int32_t *s = structure + 10;
    const T *c = numbers + pairs;
    for (int i = 0; i < 3; ++i) {
      Leg<T> &l = leg[i];
      l.dim = structure[1 + 3 * i], l.order = structure[2 + 3 * i], l.slots = structure[3 + 3 * i];
      l.counts = s, l.place = s + 2 * (l.order + 1), l.scale = c, l.legendre = c + l.dim;
      s = l.place + l.dim, c = l.legendre + pairs * l.slots;
    }
  }
};

// Rows of a feature to slots, and back.
template <class T>
inline void to_slots(const Leg<T> &leg, const vec<T> *rows, vec<T> *slots) {
  memset(slots, 0, 2 * leg.slots * sizeof(vec<T>));
  for (int64_t i = 0; i < leg.dim; ++i) slots[leg.place[i]] += leg.scale[i] * rows[i];
}
template <class T>
inline void to_rows(const Leg<T> &leg, const vec<T> *slots, vec<T> *rows) {
  for (int64_t i = 0; i < leg.dim; ++i) rows[i] = leg.scale[i] * slots[leg.place[i]];
}

// Slots to rings.
template <class T>
inline void sample(const Leg<T> &leg, int64_t pairs, const vec<T> *slots, vec<T> *rings) {
  const T *table = leg.legendre;
  const int64_t step = 4 * (leg.order + 1), south = 2 * (leg.order + 1);
  for (int64_t m = 0; m <= leg.order; ++m, rings += 2) {
    const int even = leg.counts[2 * m], odd = leg.counts[2 * m + 1];
    const auto in = [&slots](int k) { return slots + 2 * k; };
    multiply<T, 2>(int(pairs), even, table, even, 1, in, [&](int j, const vec<T> *acc) {
      for (int v = 0; v < 2; ++v) rings[j * step + v] = acc[v];
    });
    table += pairs * even, slots += 2 * even;
    multiply<T, 2>(int(pairs), odd, table, odd, 1, in, [&](int j, const vec<T> *acc) {
      vec<T> *north = rings + j * step;
      for (int v = 0; v < 2; ++v) {
        const vec<T> both = north[v];
        north[v] = both + acc[v];
        north[south + v] = both - acc[v];
      }
    });
    table += pairs * odd, slots += 2 * odd;
  }
}

// Rings that hold sum (in place of north) and difference (of south) to slots: the integral against every harmonic.
template <class T>
inline void expand(const Leg<T> &leg, int64_t pairs, const vec<T> *rings, vec<T> *slots) {
  const T *table = leg.legendre;
  const int64_t step = 4 * (leg.order + 1);
  for (int64_t m = 0; m <= leg.order; ++m, rings += 2)
    for (int parity = 0; parity < 2; ++parity) {
      const int count = leg.counts[2 * m + parity];
      const vec<T> *from = rings + parity * 2 * (leg.order + 1);
      const auto in = [from, step](int k) { return from + k * step; };
      multiply<T, 2>(count, int(pairs), table, 1, count, in, [&](int k, const vec<T> *acc) {
        for (int v = 0; v < 2; ++v) slots[2 * k + v] = acc[v];
      });
      table += pairs * count, slots += 2 * count;
    }
}

// The product on a pair of rings, as weighted sum and difference of north and south. With a_m cos + a'_m sin and b alike,
// cos m cos n = (cos(m + n) + cos(m - n)) / 2 and so on; the halves are in the weight.
template <class T>
inline void multiply_rings(int64_t la, const vec<T> *a, int64_t lb, const vec<T> *b, int64_t lc, T weight, vec<T> *to) {
  const int64_t a_south = 2 * (la + 1), b_south = 2 * (lb + 1), to_south = 2 * (lc + 1);
  for (int64_t M = 0; M <= lc; ++M) {
    vec<T> cosine[2] = {}, sine[2] = {}, cosine_[2] = {}, sine_[2] = {};
    for (int64_t m = M > lb ? M - lb : 0; m <= (M < la ? M : la); ++m)  // n = M - m
      for (int s = 0; s < 2; ++s) {
        const vec<T> *p = a + s * a_south + 2 * m, *q = b + s * b_south + 2 * (M - m);
        cosine[s] += p[0] * q[0];
        cosine_[s] -= p[1] * q[1];
        sine[s] += p[1] * q[0];
        sine_[s] += p[0] * q[1];
      }
    for (int64_t n = 0; n <= lb && n + M <= la; ++n)  // m = n + M
      for (int s = 0; s < 2; ++s) {
        const vec<T> *p = a + s * a_south + 2 * (n + M), *q = b + s * b_south + 2 * n;
        cosine[s] += p[0] * q[0];
        cosine_[s] += p[1] * q[1];
        sine[s] += p[1] * q[0];
        sine_[s] -= p[0] * q[1];
      }
    if (M)
      for (int64_t m = 0; m <= la && m + M <= lb; ++m)  // n = m + M
        for (int s = 0; s < 2; ++s) {
          const vec<T> *p = a + s * a_south + 2 * m, *q = b + s * b_south + 2 * (m + M);
          cosine[s] += p[0] * q[0];
          cosine_[s] += p[1] * q[1];
          sine[s] -= p[1] * q[0];
          sine_[s] += p[0] * q[1];
        }
    for (int s = 0; s < 2; ++s) cosine[s] += cosine_[s], sine[s] += sine_[s];
    const T factor = M ? weight : 2 * weight;
    to[2 * M] = factor * (cosine[0] + cosine[1]);
    to[2 * M + 1] = factor * (sine[0] + sine[1]);
    to[to_south + 2 * M] = factor * (cosine[0] - cosine[1]);
    to[to_south + 2 * M + 1] = factor * (sine[0] - sine[1]);
  }
}

// The product of functions a and b, known on rings, as rows of a third leg.
template <class T>
inline void product(const Sphere<T> &sphere, const Leg<T> &la, const vec<T> *a, const Leg<T> &lb, const vec<T> *b,
                    const Leg<T> &lc, vec<T> *rings, vec<T> *slots, vec<T> *rows) {
  for (int64_t j = 0; j < sphere.pairs; ++j)
    multiply_rings<T>(la.order, a + j * 4 * (la.order + 1), lb.order, b + j * 4 * (lb.order + 1), lc.order,
                      sphere.weights[j], rings + j * 4 * (lc.order + 1));
  expand<T>(lc, sphere.pairs, rings, slots);
  to_rows<T>(lc, slots, rows);
}

template <class T>
inline int64_t largest(int64_t a, int64_t b, int64_t c) {
  return a > b ? (a > c ? a : c) : (b > c ? b : c);
}

// Memory of one worker: rings of every leg and of a result, slots and rows of the largest.
template <class T>
struct Canvas {
  Scratch<T> a, b, c, result, slots, rows;
  explicit Canvas(const Sphere<T> &s)
      : a(s.leg[0].rings(s.pairs)), b(s.leg[1].rings(s.pairs)), c(s.leg[2].rings(s.pairs)),
        result(largest<T>(s.leg[0].rings(s.pairs), s.leg[1].rings(s.pairs), s.leg[2].rings(s.pairs))),
        slots(2 * largest<T>(s.leg[0].slots, s.leg[1].slots, s.leg[2].slots)),
        rows(largest<T>(s.leg[0].dim, s.leg[1].dim, s.leg[2].dim)) {}
};

template <class T>
inline void read(const Sphere<T> &s, int leg, const T *from, const Feature &f, int64_t first, Canvas<T> &canvas,
                 vec<T> *rings) {
  pack<T, 1>(from, f, first, canvas.rows.at(0));
  to_slots<T>(s.leg[leg], canvas.rows.at(0), canvas.slots.at(0));
  sample<T>(s.leg[leg], s.pairs, canvas.slots.at(0), rings);
}

// Features x, y, z.
template <class T>
void gaunt(const Sphere<T> &s, const Feature *f, const T *x, const T *y, T *z, int threads) {
  const Feature fx = f[0], fy = f[1], fz = f[2];
  parallel_for(
      (fz.items + lanes<T> - 1) / lanes<T>, threads, [&] { return Canvas<T>(s); },
      [&](Canvas<T> &c, int64_t block) {
        const int64_t first = block * lanes<T>;
        read<T>(s, 0, x, fx, first, c, c.a.at(0));
        read<T>(s, 1, y, fy, first, c, c.b.at(0));
        product<T>(s, s.leg[0], c.a.at(0), s.leg[1], c.b.at(0), s.leg[2], c.result.at(0), c.slots.at(0), c.rows.at(0));
        unpack<T, 1>(z, fz, first, c.rows.at(0));
      });
}

// Gradients of <gz, z> by x and y, which are products of gz with y and x: features x, y, gz, gx, gy.
template <class T>
void gaunt_backward(const Sphere<T> &s, const Feature *f, const T *x, const T *y, const T *gz, T *gx, T *gy,
                    int threads) {
  const Feature fx = f[0], fy = f[1], fz = f[2], fgx = f[3], fgy = f[4];
  parallel_for(
      (fz.items + lanes<T> - 1) / lanes<T>, threads, [&] { return Canvas<T>(s); },
      [&](Canvas<T> &c, int64_t block) {
        const int64_t first = block * lanes<T>;
        read<T>(s, 0, x, fx, first, c, c.a.at(0));
        read<T>(s, 1, y, fy, first, c, c.b.at(0));
        read<T>(s, 2, gz, fz, first, c, c.c.at(0));
        product<T>(s, s.leg[2], c.c.at(0), s.leg[1], c.b.at(0), s.leg[0], c.result.at(0), c.slots.at(0), c.rows.at(0));
        unpack<T, 1>(gx, fgx, first, c.rows.at(0));
        product<T>(s, s.leg[2], c.c.at(0), s.leg[0], c.a.at(0), s.leg[1], c.result.at(0), c.slots.at(0), c.rows.at(0));
        unpack<T, 1>(gy, fgy, first, c.rows.at(0));
      });
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_GAUNT(type, T)                                                                                    \
  INTERTWINE_EXPORT(gaunt, type)(const int32_t *structure, const T *numbers, const void *features, const T *x,       \
                                 const T *y, T *z, int threads) {                                                    \
    using namespace INTERTWINE_ISA;                                                                                  \
    gaunt<T>(Sphere<T>(structure, numbers), static_cast<const Feature *>(features), x, y, z, threads);               \
  }                                                                                                                  \
  INTERTWINE_EXPORT(gaunt_backward, type)(const int32_t *structure, const T *numbers, const void *features,          \
                                          const T *x, const T *y, const T *gz, T *gx, T *gy, int threads) {          \
    using namespace INTERTWINE_ISA;                                                                                  \
    gaunt_backward<T>(Sphere<T>(structure, numbers), static_cast<const Feature *>(features), x, y, gz, gx, gy,       \
                      threads);                                                                                      \
  }
INTERTWINE_GAUNT(f32, float)
INTERTWINE_GAUNT(f64, double)

// Bessel functions under a polynomial envelope, or one of their derivatives, by the length of an edge. No group acts.
//
//   f_n(r) = sqrt(2 / cutoff) sin(n pi r / cutoff) / r  u(r),    f_n^(k) = sum over j <= k of  C(k, j) b^(k - j) u^(j)
//
// In double precision whatever the numbers are: derivatives divide differences of like numbers by r.
#include "lanes.h"

namespace INTERTWINE_ISA {

typedef vec<double> Many;
constexpr int AT_ONCE = lanes<double>;
constexpr double PI = 3.14159265358979323846;

// sin(a) and cos(a) for 0 <= a <= pi / 2, by their series.
inline void turn(Many a, Many &sine, Many &cosine) {
  const Many square = a * a;
  sine = cosine = Many{} + 1;
  for (int k = 11; k > 0; --k) {
    sine = 1 - square * sine / double(2 * k * (2 * k + 1));
    cosine = 1 - square * cosine / double(2 * k * (2 * k - 1));
  }
  sine *= a;
}

// `series` holds for j = 0 .. k the `terms` coefficients of s_j:  sqrt(2 / cutoff) C(k, j) u^(j) = (1 - t)^(order - j)
// s_j(t),  t = r / cutoff.
template <class T>
void waves(const T *r, int64_t edges, int64_t count, double cutoff, double nearest, const double *series, int64_t terms,
           int64_t order, int64_t k, T *out, int threads) {
  constexpr int64_t EACH = 512;
  parallel_for(
      (edges + EACH - 1) / EACH, threads, [] { return 0; },
      [&](int &, int64_t task) {
        const int64_t last = (task + 1) * EACH < edges ? (task + 1) * EACH : edges;
        for (int64_t first = task * EACH; first < last; first += AT_ONCE) {
          const int here = int(last - first < AT_ONCE ? last - first : AT_ONCE);
          Many t = {}, inverse = {}, angle = {}, way = {};
          for (int i = 0; i < AT_ONCE; ++i) {
            const double x = i < here ? double(r[first + i]) : cutoff;
            t[i] = x < cutoff ? x / cutoff : 1;
            inverse[i] = 1 / (x > nearest ? x : nearest);
            const double at = PI * (x > nearest ? t[i] : nearest / cutoff);
            angle[i] = at < PI - at ? at : PI - at;
            way[i] = at < PI - at ? 1 : -1;
          }
          Many envelope[3], sine1, cosine1;
          for (int64_t j = 0; j <= k; ++j) {
            envelope[j] = Many{};
            for (int64_t m = terms; m-- > 0;) envelope[j] = envelope[j] * t + series[j * terms + m];
            for (int64_t power = order - j; power-- > 0;) envelope[j] *= 1 - t;
          }
          turn(angle, sine1, cosine1);
          cosine1 *= way;
          Many sine = sine1, cosine = cosine1;
          for (int64_t n = 1; n <= count; ++n) {
            const double a = double(n) * PI / cutoff;
            Many b[3];
            b[0] = sine * inverse;
            if (k > 0) b[1] = (a * cosine - b[0]) * inverse;
            if (k > 1) b[2] = (-a * a * sine - 2 * b[1]) * inverse;
            Many total = {};
            for (int64_t j = 0; j <= k; ++j) total += b[k - j] * envelope[j];
            for (int i = 0; i < here; ++i) out[(first + i) * count + n - 1] = T(total[i]);
            const Many next = sine * cosine1 + cosine * sine1;
            cosine = cosine * cosine1 - sine * sine1;
            sine = next;
          }
        }
      });
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_WAVES(type, T)                                                                                      \
  INTERTWINE_EXPORT(waves, type)(const T *r, const int64_t *sizes, const double *numbers, T *out, int threads) {       \
    INTERTWINE_ISA::waves<T>(r, sizes[0], sizes[1], numbers[0], numbers[1], numbers + 2, sizes[2], sizes[3], sizes[4], \
                             out, threads);                                                                            \
  }
INTERTWINE_WAVES(f32, float)
INTERTWINE_WAVES(f64, double)

// The second derivative of silu(x) = x s(x), s = 1 / (1 + exp(-x)), in one pass. No group acts.
//
//   <dg, .> and <dx, .> of   sum of  h g silu'(x):     dg = h silu'(x),    dx = h g silu''(x)
//   silu' = s (1 + x (1 - s)),    silu'' = s (1 - s) (2 + x (1 - 2 s))
#include "exponential.h"

namespace INTERTWINE_ISA {

template <class T>
void silu_twice(const T *x, const T *g, const T *h, int64_t count, T *dg, T *dx, int threads) {
  constexpr int64_t EACH = 4096;
  parallel_for(
      (count + EACH - 1) / EACH, threads, [] { return 0; },
      [&](int &, int64_t task) {
        const int64_t last = (task + 1) * EACH < count ? (task + 1) * EACH : count;
        for (int64_t i = task * EACH; i < last; i += lanes<T>) {
          const int here = int(last - i < lanes<T> ? last - i : lanes<T>);
          const bool all = here == lanes<T>;
          const vec<T> at = all ? load(x + i) : load(x + i, here);
          const vec<T> slope = all ? load(g + i) : load(g + i, here), along = all ? load(h + i) : load(h + i, here);
          const vec<T> s = 1 / (1 + exponential<T>(-at)), far = 1 - s;
          const vec<T> first = along * s * (1 + at * far), second = along * slope * s * far * (2 + at * (far - s));
          if (all) store(dg + i, first), store(dx + i, second);
          else store(dg + i, first, here), store(dx + i, second, here);
        }
      });
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_SILU(type, T)                                                                                       \
  INTERTWINE_EXPORT(silu_twice, type)(const T *x, const T *g, const T *h, const int64_t *count, T *dg, T *dx,          \
                                      int threads) {                                                                   \
    INTERTWINE_ISA::silu_twice<T>(x, g, h, *count, dg, dx, threads);                                                   \
  }
INTERTWINE_SILU(f32, float)
INTERTWINE_SILU(f64, double)

// exp of vectors, for kernels whose arithmetic holds a nonlinearity. No group acts.
#pragma once

#include "lanes.h"

namespace INTERTWINE_ISA {

// Divisions would take longer than all the rest.
constexpr double INVERSE_FACTORIAL[] = {
    1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800,
    1. / 479001600, 1. / 6227020800};

template <class T>
struct Exponent;
template <>
struct Exponent<float> {
  typedef int32_t bits __attribute__((vector_size(INTERTWINE_BYTES)));
  static constexpr int mantissa = 23, bias = 127, terms = 7;
  static constexpr float shift = 12582912, largest = 87;  // adding 1.5 * 2^23 rounds to whole numbers
};
template <>
struct Exponent<double> {
  typedef int64_t bits __attribute__((vector_size(INTERTWINE_BYTES)));
  static constexpr int mantissa = 52, bias = 1023, terms = 13;
  static constexpr double shift = 6755399441055744, largest = 708;
};

// exp(x) = 2^n exp(rest), |rest| <= ln(2) / 2, by its series; x is held between -largest and largest.
template <class T>
inline vec<T> exponential(vec<T> x) {
  typedef Exponent<T> E;
  typedef typename E::bits bits;
  const vec<T> most = vec<T>{} + E::largest;
  x = x > most ? most : x;
  x = x < -most ? -most : x;
  const vec<T> shifted = x * T(1.4426950408889634074) + E::shift, n = shifted - E::shift;
  const vec<T> rest = (x - n * T(0.693145751953125)) - n * T(1.42860682030941723212e-6);
  vec<T> sum = vec<T>{} + T(INVERSE_FACTORIAL[E::terms]);
  for (int k = E::terms; k-- > 0;) sum = sum * rest + T(INVERSE_FACTORIAL[k]);
  const bits whole = bits(shifted) - bits(vec<T>{} + E::shift);
  return sum * vec<T>((whole + E::bias) << E::mantissa);
}

}  // namespace INTERTWINE_ISA

// Vectors of the instruction set at hand, scratch memory, and a parallel loop: the vocabulary of all kernels.
//
// Every kernel file (*.kernel.cpp) is compiled once per instruction set into a namespace of that name. Nothing of the
// standard library may be used in it: the linker keeps one copy of an inline function, perhaps the one compiled for
// instructions that the processor lacks.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"
#if defined(INTERTWINE_ISA_avx512) || defined(INTERTWINE_ISA_avx2)
#define INTERTWINE_STREAMS  // vectors can go to memory past the caches
#include <immintrin.h>
#endif

#if defined(INTERTWINE_ISA_avx512)
#define INTERTWINE_BYTES 64
#elif defined(INTERTWINE_ISA_avx2)
#define INTERTWINE_BYTES 32
#else
#define INTERTWINE_BYTES 16
#endif

#define INTERTWINE_JOIN_(a, b, c) a##_##b##_##c
#define INTERTWINE_JOIN(a, b, c) INTERTWINE_JOIN_(a, b, c)
// An exported C function, for example INTERTWINE_EXPORT(couple, f32): couple_f32_avx512.
#define INTERTWINE_EXPORT(name, type) \
  extern "C" __attribute__((visibility("default"))) void INTERTWINE_JOIN(name, type, INTERTWINE_ISA)

namespace INTERTWINE_ISA {

// `lanes<T>` numbers of type T that are worked on at once; arithmetic and scalar broadcasts are the compiler's own.
template <class T>
struct Vector;
template <>
struct Vector<float> {
  typedef float type __attribute__((vector_size(INTERTWINE_BYTES), aligned(INTERTWINE_BYTES)));
  typedef float loose __attribute__((vector_size(INTERTWINE_BYTES), aligned(4), may_alias));
};
template <>
struct Vector<double> {
  typedef double type __attribute__((vector_size(INTERTWINE_BYTES), aligned(INTERTWINE_BYTES)));
  typedef double loose __attribute__((vector_size(INTERTWINE_BYTES), aligned(8), may_alias));
};
template <class T>
using vec = typename Vector<T>::type;
template <class T>
constexpr int lanes = INTERTWINE_BYTES / sizeof(T);

// Vectors at addresses that are aligned to the number only, not to the vector.
template <class T>
inline vec<T> load(const T *from) {
  return *reinterpret_cast<const typename Vector<T>::loose *>(from);
}
template <class T>
inline void store(T *to, vec<T> value) {
  *reinterpret_cast<typename Vector<T>::loose *>(to) = value;
}
// The first `count` lanes, 0 < count <= lanes; the others are zero, or stay as they are in memory.
template <class T>
inline vec<T> load(const T *from, int count) {
  vec<T> value = {};
  for (int i = 0; i < count; ++i) value[i] = from[i];
  return value;
}
template <class T>
inline void store(T *to, vec<T> value, int count) {
  for (int i = 0; i < count; ++i) to[i] = value[i];
}
#if defined(INTERTWINE_ISA_avx512)
template <class T>
inline void store_far(T *to, vec<T> value) {
  _mm512_stream_si512(reinterpret_cast<__m512i *>(to), reinterpret_cast<__m512i>(value));
}
#elif defined(INTERTWINE_ISA_avx2)
template <class T>
inline void store_far(T *to, vec<T> value) {
  _mm256_stream_si256(reinterpret_cast<__m256i *>(to), reinterpret_cast<__m256i>(value));
}
#endif

template <class T>
inline T sum(vec<T> value) {
  T total = 0;
  for (int i = 0; i < lanes<T>; ++i) total += value[i];
  return total;
}
#if defined(INTERTWINE_ISA_avx512)
template <>
inline float sum<float>(vec<float> value) {
  return _mm512_reduce_add_ps(__m512(value));
}
template <>
inline double sum<double>(vec<double> value) {
  return _mm512_reduce_add_pd(__m512d(value));
}
template <>
inline vec<float> load(const float *from, int count) {
  return vec<float>(_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), from));
}
template <>
inline void store(float *to, vec<float> value, int count) {
  _mm512_mask_storeu_ps(to, __mmask16((1u << count) - 1), __m512(value));
}
template <>
inline vec<double> load(const double *from, int count) {
  return vec<double>(_mm512_maskz_loadu_pd(__mmask8((1u << count) - 1), from));
}
template <>
inline void store(double *to, vec<double> value, int count) {
  _mm512_mask_storeu_pd(to, __mmask8((1u << count) - 1), __m512d(value));
}
#endif

// Uninitialised memory of `count` vectors, aligned, freed at the end of the scope.
template <class T>
class Scratch {
 public:
  explicit Scratch(size_t count)
      : data_(static_cast<vec<T> *>(aligned_alloc(64, ((count ? count : 1) * sizeof(vec<T>) + 63) / 64 * 64))) {
    if (!data_) abort();
  }
  ~Scratch() { free(data_); }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  vec<T> &operator[](size_t i) { return data_[i]; }
  vec<T> *at(size_t i) { return data_ + i; }

 private:
  vec<T> *data_;
};

// task(state) makes a worker's own state; body(state, i) runs for every i in [0, count), each on one worker, in any
// order. Results must not depend on which worker ran which i.
template <class Make, class Body>
struct Loop {
  const Make &make;
  const Body &body;
  int64_t count, next;
  static void work(void *self_) {
    Loop &self = *static_cast<Loop *>(self_);
    auto state = self.make();
    for (;;) {
      int64_t i = __atomic_fetch_add(&self.next, 1, __ATOMIC_RELAXED);
      if (i >= self.count) break;
      self.body(state, i);
    }
#if defined(INTERTWINE_STREAMS)
    _mm_sfence();  // results that went past the caches are in memory before another thread may ask for them
#endif
  }
};
template <class Make, class Body>
inline void parallel_for(int64_t count, int threads, const Make &make, const Body &body) {
  Loop<Make, Body> loop{make, body, count, 0};
  int64_t useful = threads < count ? threads : count;
  intertwine_run(int(useful), &Loop<Make, Body>::work, &loop);
}

}  // namespace INTERTWINE_ISA

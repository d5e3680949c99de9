// What all kernels share at run time: which instruction set this processor has, and how work is spread over threads.
#include "runtime.h"

#include <dlfcn.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <stdint.h>

#include <thread>
#include <vector>

namespace {

using GompParallel = void (*)(void (*)(void *), void *, unsigned, unsigned);

// torch brings an OpenMP runtime along and puts it into the global scope. Its threads are reused: a second pool would
// compete with threads of the first that still spin after their last region.
GompParallel openmp() {
  static const auto found = reinterpret_cast<GompParallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  return found;
}

}  // namespace

void intertwine_run(int threads, void (*work)(void *), void *state) {
  if (threads <= 1) {
    work(state);
  } else if (GompParallel parallel = openmp()) {
    parallel(work, state, static_cast<unsigned>(threads), 0);
  } else {
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work, state);
    work(state);
    for (auto &other : others) other.join();
  }
}

extern "C" {

// The widest instruction set that both this build and this processor have.
__attribute__((visibility("default"))) const char *intertwine_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return "avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
#endif
  return "generic";
}

// Ask for large pages where memory is about to be written for the first time: thousands of times fewer page faults.
__attribute__((visibility("default"))) void intertwine_large_pages(void *start, int64_t bytes) {
#if defined(MADV_HUGEPAGE)
  const uintptr_t page = uintptr_t(1) << 21, first = (uintptr_t(start) + page - 1) / page * page;
  const uintptr_t last = (uintptr_t(start) + uintptr_t(bytes)) / page * page;
  if (first < last) madvise(reinterpret_cast<void *>(first), last - first, MADV_HUGEPAGE);
#else
  (void)start, (void)bytes;
#endif
}

// Whether threads come from an OpenMP runtime that was loaded before, torch's in practice.
__attribute__((visibility("default"))) int intertwine_shares_threads() { return openmp() != nullptr; }
}

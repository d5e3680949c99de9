// Symmetric contraction: polynomials of a feature, one per row of the result, forward, backward and twice.
//
//   z[n, o, c] = sum over entries e of row o of   u[e, c] M[a_e, c] M[b_e, c]
//   u[e, c]    = sum over p of   U[e, p] w[element_n, p, c]
//
// M holds 1, the components of x and some products of these, so that every monomial of the polynomial is a product of
// two rows of M; entries of one a lie together. O(3) acts on the rows of x and z, channels are lanes. Nodes of one
// element share the numbers u: they are made once for a block of channels, and many nodes follow.
#include "polynomials.h"

namespace INTERTWINE_ISA {

template <class T>
void contract(const Polynomials &p, const T *U, const Nodes &nodes, const T *x, const T *w, T *z, int threads) {
  constexpr int N = 4;
  struct State {
    Scratch<T> u, M, z;
    explicit State(const Polynomials &p) : u(p.entries), M(p.panel() * N), z(p.rows * N) {}
  };
  const Chunks chunks(nodes);
  for_chunks<T>(
      nodes, chunks, threads, [&] { return State(p); },
      [&](State &s, const Chunk &chunk, int64_t, const Lanes<T> &at) {
        fold(p, U, w, chunk.element * p.weights, at, s.u.at(0));
        for_nodes<N>(nodes, chunk, [&](const int64_t *some, int count) {
          vec<T> *M = s.M.at(0);
          gather<T, N>(x, p.dim, some, count, at, M + N);
          monomials<T, N>(p, M);
          const int32_t *entry = p.entry;
          const vec<T> *u = s.u.at(0);
          for (int64_t o = 0; o < p.rows; ++o) {
            vec<T> total[N] = {};
            for (int32_t groups = *entry++; groups > 0; --groups) {
              const vec<T> *a = M + *entry++ * N;
              const int32_t size = *entry++;
              vec<T> inner[N] = {};
              for (int32_t i = 0; i < size; ++i, ++u) {
                const vec<T> *b = M + entry[i] * N;
                for (int n = 0; n < N; ++n) inner[n] += *u * b[n];
              }
              for (int n = 0; n < N; ++n) total[n] += a[n] * inner[n];
              entry += size;
            }
            for (int n = 0; n < N; ++n) s.z[o * N + n] = total[n];
          }
          scatter<T, N>(z, p.rows, some, count, at, s.z.at(0));
        });
      });
}

// Gradients of weights: every chunk sums its own, then chunks of one element are summed in their order.
template <class T>
class WeightGradients {
 public:
  WeightGradients(const Polynomials &p, const Nodes &nodes, const Chunks &chunks, T *gw)
      : p_(p), nodes_(nodes), chunks_(chunks), gw_(gw), size_(p.weights * nodes.channels),
        parts_(gw ? static_cast<T *>(malloc((chunks.count * size_ + 1) * sizeof(T))) : nullptr) {
    if (gw && !parts_) abort();
  }
  ~WeightGradients() { free(parts_); }
  WeightGradients(const WeightGradients &) = delete;
  WeightGradients &operator=(const WeightGradients &) = delete;
  void keep(int64_t chunk, const T *U, const vec<T> *gu, vec<T> *gw, const Lanes<T> &at) const {
    if (!gw_) return;
    unfold(p_, U, gu, gw);
    for (int64_t k = 0; k < p_.weights; ++k) at.write(parts_ + chunk * size_, k, gw[k]);
  }
  void sum() const {
    if (!gw_) return;
    memset(gw_, 0, nodes_.elements * size_ * sizeof(T));
    for (int64_t chunk = 0; chunk < chunks_.count; ++chunk)
      for (int64_t i = 0; i < size_; ++i) gw_[chunks_[chunk].element * size_ + i] += parts_[chunk * size_ + i];
  }

 private:
  const Polynomials &p_;
  const Nodes &nodes_;
  const Chunks &chunks_;
  T *gw_;
  int64_t size_;
  T *parts_;
};

// Gradients of <gz, z> by x and w (null where it is not wanted).
template <class T>
void contract_backward(const Polynomials &p, const T *U, const Nodes &nodes, const T *x, const T *w, const T *gz, T *gx,
                       T *gw, int threads) {
  constexpr int N = 4;
  struct State {
    Scratch<T> u, gu, gw, M, gM, gz;
    explicit State(const Polynomials &p)
        : u(p.entries), gu(p.entries), gw(p.weights), M(p.panel() * N), gM(p.panel() * N), gz(p.rows * N) {}
  };
  const Chunks chunks(nodes);
  const WeightGradients<T> found(p, nodes, chunks, gw);
  for_chunks<T>(
      nodes, chunks, threads, [&] { return State(p); },
      [&](State &s, const Chunk &chunk, int64_t index, const Lanes<T> &at) {
        fold(p, U, w, chunk.element * p.weights, at, s.u.at(0));
        clear<T>(s.gu.at(0), p.entries);
        for_nodes<N>(nodes, chunk, [&](const int64_t *some, int count) {
          vec<T> *M = s.M.at(0), *gM = s.gM.at(0);
          gather<T, N>(x, p.dim, some, count, at, M + N);
          gather<T, N>(gz, p.rows, some, count, at, s.gz.at(0));
          monomials<T, N>(p, M);
          clear<T>(gM, p.panel() * N);
          const int32_t *entry = p.entry;
          const vec<T> *u = s.u.at(0);
          vec<T> *gu = s.gu.at(0);
          for (int64_t o = 0; o < p.rows; ++o) {
            const vec<T> *g = s.gz.at(o * N);
            for (int32_t groups = *entry++; groups > 0; --groups) {
              const int64_t a = *entry++ * N;
              const int32_t size = *entry++;
              vec<T> inner[N] = {}, t[N];
              for (int n = 0; n < N; ++n) t[n] = g[n] * M[a + n];
              for (int32_t i = 0; i < size; ++i, ++u, ++gu) {
                const vec<T> *b = M + entry[i] * N;
                vec<T> *gb = gM + entry[i] * N;
                vec<T> slope = {};
                for (int n = 0; n < N; ++n) {
                  inner[n] += *u * b[n];
                  gb[n] += *u * t[n];
                  slope += t[n] * b[n];
                }
                *gu += slope;
              }
              for (int n = 0; n < N; ++n) gM[a + n] += g[n] * inner[n];
              entry += size;
            }
          }
          back_to_factors<T, N>(p, M, gM);
          scatter<T, N>(gx, p.dim, some, count, at, gM + N);
        });
        found.keep(index, U, s.gu.at(0), s.gw.at(0), at);
      });
  found.sum();
}

// Gradients of <gx, hx> + <gw, hw> by x, w and gz: the slope of the backward pass along (hx, hw).
template <class T>
void contract_twice(const Polynomials &p, const T *U, const Nodes &nodes, const T *x, const T *w, const T *gz,
                    const T *hx, const T *hw, T *dx, T *dw, T *dz, int threads) {
  constexpr int N = 2;
  struct State {
    Scratch<T> u, hu, gu, gw, M, dM, gM, gdM, gz, dz;
    explicit State(const Polynomials &p)
        : u(p.entries), hu(p.entries), gu(p.entries), gw(p.weights), M(p.panel() * N), dM(p.panel() * N),
          gM(p.panel() * N), gdM(p.panel() * N), gz(p.rows * N), dz(p.rows * N) {}
  };
  const Chunks chunks(nodes);
  const WeightGradients<T> found(p, nodes, chunks, dw);
  for_chunks<T>(
      nodes, chunks, threads, [&] { return State(p); },
      [&](State &s, const Chunk &chunk, int64_t index, const Lanes<T> &at) {
        fold(p, U, w, chunk.element * p.weights, at, s.u.at(0));
        if (hw) fold(p, U, hw, chunk.element * p.weights, at, s.hu.at(0));
        else clear<T>(s.hu.at(0), p.entries);
        clear<T>(s.gu.at(0), p.entries);
        for_nodes<N>(nodes, chunk, [&](const int64_t *some, int count) {
          vec<T> *M = s.M.at(0), *dM = s.dM.at(0), *gM = s.gM.at(0), *gdM = s.gdM.at(0);
          gather<T, N>(x, p.dim, some, count, at, M + N);
          gather<T, N>(hx, p.dim, some, count, at, dM + N);
          gather<T, N>(gz, p.rows, some, count, at, s.gz.at(0));
          monomials<T, N>(p, M);
          slopes<T, N>(p, M, dM);
          clear<T>(gM, p.panel() * N);
          clear<T>(gdM, p.panel() * N);
          const int32_t *entry = p.entry;
          const vec<T> *u = s.u.at(0), *hu = s.hu.at(0);
          vec<T> *gu = s.gu.at(0);
          for (int64_t o = 0; o < p.rows; ++o) {
            const vec<T> *g = s.gz.at(o * N);
            vec<T> slope_of_z[N] = {};
            for (int32_t groups = *entry++; groups > 0; --groups) {
              const int64_t a = *entry++ * N;
              const int32_t size = *entry++;
              vec<T> inner[N] = {}, slope_of_inner[N] = {}, t[N], dt[N];
              for (int n = 0; n < N; ++n) t[n] = g[n] * M[a + n], dt[n] = g[n] * dM[a + n];
              for (int32_t i = 0; i < size; ++i, ++u, ++hu, ++gu) {
                const int64_t b = entry[i] * N;
                vec<T> slope = {};
                for (int n = 0; n < N; ++n) {
                  inner[n] += *u * M[b + n];
                  slope_of_inner[n] += *hu * M[b + n] + *u * dM[b + n];
                  gM[b + n] += *u * dt[n] + *hu * t[n];
                  gdM[b + n] += *u * t[n];
                  slope += dt[n] * M[b + n] + t[n] * dM[b + n];
                }
                *gu += slope;
              }
              for (int n = 0; n < N; ++n) {
                slope_of_z[n] += dM[a + n] * inner[n] + M[a + n] * slope_of_inner[n];
                gM[a + n] += g[n] * slope_of_inner[n];
                gdM[a + n] += g[n] * inner[n];
              }
              entry += size;
            }
            for (int n = 0; n < N; ++n) s.dz[o * N + n] = slope_of_z[n];
          }
          back_to_factors_twice<T, N>(p, M, dM, gM, gdM);
          scatter<T, N>(dx, p.dim, some, count, at, gM + N);
          scatter<T, N>(dz, p.rows, some, count, at, s.dz.at(0));
        });
        found.keep(index, U, s.gu.at(0), s.gw.at(0), at);
      });
  found.sum();
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_CONTRACT(type, T)                                                                                  \
  INTERTWINE_EXPORT(contract, type)(const int32_t *structure, const T *U, const int64_t *sizes, const int64_t *first, \
                                    const int64_t *order, const T *x, const T *w, T *z, int threads) {                \
    using namespace INTERTWINE_ISA;                                                                                   \
    const Nodes nodes{sizes[0], sizes[1], sizes[2], first, order};                                                    \
    contract<T>(Polynomials(structure), U, nodes, x, w, z, threads);                                                  \
  }                                                                                                                   \
  INTERTWINE_EXPORT(contract_backward, type)(const int32_t *structure, const T *U, const int64_t *sizes,              \
                                             const int64_t *first, const int64_t *order, const T *x, const T *w,      \
                                             const T *gz, T *gx, T *gw, int threads) {                                \
    using namespace INTERTWINE_ISA;                                                                                   \
    const Nodes nodes{sizes[0], sizes[1], sizes[2], first, order};                                                    \
    contract_backward<T>(Polynomials(structure), U, nodes, x, w, gz, gx, gw, threads);                                \
  }                                                                                                                   \
  INTERTWINE_EXPORT(contract_twice, type)(const int32_t *structure, const T *U, const int64_t *sizes,                 \
                                          const int64_t *first, const int64_t *order, const T *x, const T *w,         \
                                          const T *gz, const T *hx, const T *hw, T *dx, T *dw, T *dz, int threads) {  \
    using namespace INTERTWINE_ISA;                                                                                   \
    const Nodes nodes{sizes[0], sizes[1], sizes[2], first, order};                                                    \
    contract_twice<T>(Polynomials(structure), U, nodes, x, w, gz, hx, hw, dx, dw, dz, threads);                       \
  }
INTERTWINE_CONTRACT(f32, float)
INTERTWINE_CONTRACT(f64, double)

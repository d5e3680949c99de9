// Polynomials of the features of nodes as sums of products of two rows of monomials; O(3) acts on rows, channels are lanes.
#pragma once

#include "lanes.h"

namespace INTERTWINE_ISA {

constexpr int64_t CHUNK = 128;  // nodes between two foldings of the weights; results must not depend on threads

// Pointers into the table that `contraction_table.py` writes.
struct Polynomials {
  int64_t weights, dim, rows, products, entries;
  const int32_t *product;  // for every product the two rows of M before it
  const int32_t *entry;    // for every row: groups; for every group: a, size, every b
  const int32_t *fold;     // for every entry: where its terms begin; then the weight of every term
  explicit Polynomials(const int32_t *s)
      : weights(s[0]), dim(s[1]), rows(s[2]), products(s[3]), entries(s[4]), product(s + 6),
        entry(product + 2 * products), fold(entry + s[5]) {}
  int64_t panel() const { return 1 + dim + products; }
  const int32_t *weight() const { return fold + entries + 1; }
};

struct Nodes {
  int64_t count, elements, channels;
  const int64_t *first, *order;  // nodes of element k: order[first[k]] to order[first[k + 1] - 1]
};

// A part of the nodes of one element.
struct Chunk {
  int64_t element, begin, end;
};

class Chunks {
 public:
  explicit Chunks(const Nodes &nodes) : count(0) {
    for (int64_t k = 0; k < nodes.elements; ++k) count += (nodes.first[k + 1] - nodes.first[k] + CHUNK - 1) / CHUNK;
    list_ = static_cast<Chunk *>(malloc((count + 1) * sizeof(Chunk)));
    if (!list_) abort();
    Chunk *to = list_;
    for (int64_t k = 0; k < nodes.elements; ++k)
      for (int64_t i = nodes.first[k]; i < nodes.first[k + 1]; i += CHUNK)
        *to++ = {k, i, i + CHUNK < nodes.first[k + 1] ? i + CHUNK : nodes.first[k + 1]};
  }
  ~Chunks() { free(list_); }
  Chunks(const Chunks &) = delete;
  Chunks &operator=(const Chunks &) = delete;
  const Chunk &operator[](int64_t i) const { return list_[i]; }
  int64_t count;

 private:
  Chunk *list_;
};

// A block of at most `lanes` channels.
template <class T>
struct Lanes {
  int64_t first, channels;
  int count;
  Lanes(int64_t block, int64_t channels)
      : first(block * lanes<T>), channels(channels),
        count(int(channels - first < lanes<T> ? channels - first : lanes<T>)) {}
  vec<T> read(const T *from, int64_t row) const {
    from += row * channels + first;
    return count == lanes<T> ? load(from) : load(from, count);
  }
  void write(T *to, int64_t row, vec<T> value) const {
    to += row * channels + first;
    if (count == lanes<T>) store(to, value);
    else store(to, value, count);
  }
};

// u[e] = sum over terms of U[term] w[weight of the term], for weights that begin at row `first`.
template <class T>
inline void fold(const Polynomials &p, const T *U, const T *w, int64_t first, const Lanes<T> &at, vec<T> *u) {
  const int32_t *weight = p.weight();
  for (int64_t e = 0; e < p.entries; ++e) {
    vec<T> total = {};
    for (int32_t t = p.fold[e]; t < p.fold[e + 1]; ++t) total += U[t] * at.read(w, first + weight[t]);
    u[e] = total;
  }
}
// The way back: gw[weight of the term] += U[term] gu[e]; gw lies in the cache and is written at the end.
template <class T>
inline void unfold(const Polynomials &p, const T *U, const vec<T> *gu, vec<T> *gw) {
  const int32_t *weight = p.weight();
  for (int64_t k = 0; k < p.weights; ++k) gw[k] = vec<T>{};
  for (int64_t e = 0; e < p.entries; ++e)
    for (int32_t t = p.fold[e]; t < p.fold[e + 1]; ++t) gw[weight[t]] += U[t] * gu[e];
}

// The rows of M for N nodes, those of x first; nodes that are not there read zeros.
template <class T, int N>
inline void gather(const T *x, int64_t rows, const int64_t *nodes, int count, const Lanes<T> &at, vec<T> *panel) {
  for (int64_t i = 0; i < rows; ++i)
    for (int n = 0; n < N; ++n) panel[i * N + n] = n < count ? at.read(x, nodes[n] * rows + i) : vec<T>{};
}
template <class T, int N>
inline void scatter(T *x, int64_t rows, const int64_t *nodes, int count, const Lanes<T> &at, const vec<T> *panel) {
  for (int64_t i = 0; i < rows; ++i)
    for (int n = 0; n < count; ++n) at.write(x, nodes[n] * rows + i, panel[i * N + n]);
}
template <class T, int N>
inline void monomials(const Polynomials &p, vec<T> *M) {
  const vec<T> one = vec<T>{} + T(1);
  for (int n = 0; n < N; ++n) M[n] = one;
  vec<T> *to = M + (1 + p.dim) * N;
  for (int64_t k = 0; k < p.products; ++k, to += N) {
    const vec<T> *a = M + p.product[2 * k] * N, *b = M + p.product[2 * k + 1] * N;
    for (int n = 0; n < N; ++n) to[n] = a[n] * b[n];
  }
}
// Their slope along dM: rows of x are given, those of products follow.
template <class T, int N>
inline void slopes(const Polynomials &p, const vec<T> *M, vec<T> *dM) {
  for (int n = 0; n < N; ++n) dM[n] = vec<T>{};
  vec<T> *to = dM + (1 + p.dim) * N;
  for (int64_t k = 0; k < p.products; ++k, to += N) {
    const int64_t a = p.product[2 * k] * N, b = p.product[2 * k + 1] * N;
    for (int n = 0; n < N; ++n) to[n] = dM[a + n] * M[b + n] + M[a + n] * dM[b + n];
  }
}
// gM of products goes to their factors; what is left in the rows of x is the gradient.
template <class T, int N>
inline void back_to_factors(const Polynomials &p, const vec<T> *M, vec<T> *gM) {
  const vec<T> *from = gM + (1 + p.dim + p.products) * N;
  for (int64_t k = p.products - 1; k >= 0; --k) {
    from -= N;
    const int64_t a = p.product[2 * k] * N, b = p.product[2 * k + 1] * N;
    for (int n = 0; n < N; ++n) gM[a + n] += from[n] * M[b + n];
    for (int n = 0; n < N; ++n) gM[b + n] += from[n] * M[a + n];
  }
}
template <class T, int N>
inline void back_to_factors_twice(const Polynomials &p, const vec<T> *M, const vec<T> *dM, vec<T> *gM, vec<T> *gdM) {
  for (int64_t k = p.products - 1; k >= 0; --k) {
    const int64_t a = p.product[2 * k] * N, b = p.product[2 * k + 1] * N, from = (1 + p.dim + k) * N;
    for (int n = 0; n < N; ++n) {
      gM[a + n] += gM[from + n] * M[b + n] + gdM[from + n] * dM[b + n];
      gdM[a + n] += gdM[from + n] * M[b + n];
    }
    for (int n = 0; n < N; ++n) {
      gM[b + n] += gM[from + n] * M[a + n] + gdM[from + n] * dM[a + n];
      gdM[b + n] += gdM[from + n] * M[a + n];
    }
  }
}

template <class T>
inline void clear(vec<T> *panel, int64_t count) {
  memset(panel, 0, count * sizeof(vec<T>));
}

// body(state, chunk, index of the chunk, lanes) for every chunk and every block of channels.
template <class T, class Make, class Body>
inline void for_chunks(const Nodes &nodes, const Chunks &chunks, int threads, const Make &make, const Body &body) {
  const int64_t blocks = (nodes.channels + lanes<T> - 1) / lanes<T>;
  parallel_for(chunks.count * blocks, threads, make, [&](auto &state, int64_t task) {
    body(state, chunks[task / blocks], task / blocks, Lanes<T>(task % blocks, nodes.channels));
  });
}
// each(nodes, how many) for N nodes of a chunk after the other.
template <int N, class Each>
inline void for_nodes(const Nodes &nodes, const Chunk &chunk, const Each &each) {
  for (int64_t i = chunk.begin; i < chunk.end; i += N)
    each(nodes.order + i, int(chunk.end - i < N ? chunk.end - i : N));
}

}  // namespace INTERTWINE_ISA

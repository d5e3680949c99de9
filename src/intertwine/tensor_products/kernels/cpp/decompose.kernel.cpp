// Bilinear maps as sums of products of three vectors, forward and backward; O(3) acts on the rows, items are lanes.
//
//   z = C^T ( A x * B y )        A [rank, dim1], B [rank, dim2], C [rank, dim3]
//
// A panel of items runs through a few terms at a time, so that what lies between the three products stays in the
// nearest cache; the results of all terms are added up in a panel that does, too.
#include "dense.h"
#include "panels.h"

namespace INTERTWINE_ISA {

// As many sums at once as the registers hold.
#if defined(INTERTWINE_ISA_avx512)
constexpr int V = 4, ROWS = 6;
#else
constexpr int V = 2, ROWS = 4;
#endif
constexpr int TERMS = 64;

// emit(r, acc) for r < count, acc = sum over k < n of coef[r * row + k * column] * in[k]; in groups of about equal size,
// since a row by itself would wait for its own sums.
template <class T, class Emit>
inline void sums(int count, int n, const T *coef, int64_t row, int64_t column, const vec<T> *in, const Emit &emit) {
  const auto at = [in](int k) { return in + k * V; };
  int r = 0;
  for (int groups = (count + ROWS - 1) / ROWS; groups > 0; --groups) {
    const int size = (count - r + groups - 1) / groups;
    switch (size) {
      case 1: rows_of<T, V, 1>(r, n, coef, row, column, at, emit); break;
      case 2: rows_of<T, V, 2>(r, n, coef, row, column, at, emit); break;
      case 3: rows_of<T, V, 3>(r, n, coef, row, column, at, emit); break;
      case 4: rows_of<T, V, 4>(r, n, coef, row, column, at, emit); break;
      case 5: rows_of<T, V, 5>(r, n, coef, row, column, at, emit); break;
      default: rows_of<T, V, 6>(r, n, coef, row, column, at, emit);
    }
    r += size;
  }
}
// body(first term, terms) for all terms, in parts of about equal size.
template <class Body>
inline void parts(int64_t rank, const Body &body) {
  int64_t r = 0;
  for (int64_t left = (rank + TERMS - 1) / TERMS; left > 0; --left) {
    const int64_t size = (rank - r + left - 1) / left;
    body(r, int(size));
    r += size;
  }
}

// to[r] = sum over k of factor[r, k] in[k] for some rows of a factor of `dim` columns.
template <class T>
inline void down(int terms, int dim, const T *factor, const vec<T> *in, vec<T> *to) {
  sums<T>(terms, dim, factor, dim, 1, in, [to](int r, const vec<T> *acc) {
    for (int v = 0; v < V; ++v) to[r * V + v] = acc[v];
  });
}
// to[k] += sum over r of factor[r, k] in[r].
template <class T>
inline void up(int terms, int dim, const T *factor, const vec<T> *in, vec<T> *to) {
  sums<T>(dim, terms, factor, 1, dim, in, [to](int k, const vec<T> *acc) {
    for (int v = 0; v < V; ++v) to[k * V + v] += acc[v];
  });
}
template <class T>
inline void multiply_into(int terms, const vec<T> *by, vec<T> *to) {
  for (int i = 0; i < terms * V; ++i) to[i] *= by[i];
}
template <class T>
inline void clear(Scratch<T> &panel, int64_t dim) {
  memset(panel.at(0), 0, dim * V * sizeof(vec<T>));
}

// Features x, y, z; factors A, B, C.
template <class T>
void decompose(const Feature *f, int64_t rank, const T *A, const T *B, const T *C, const T *x, const T *y, T *z,
               int threads) {
  const Feature fx = f[0], fy = f[1], fz = f[2];
  const int64_t width = lanes<T> * V;
  struct Panels {
    Scratch<T> x, y, z, a, b;
    Panels(const Feature &fx, const Feature &fy, const Feature &fz)
        : x(fx.dim * V), y(fy.dim * V), z(fz.dim * V), a(TERMS * V), b(TERMS * V) {}
  };
  parallel_for(
      (fz.items + width - 1) / width, threads, [&] { return Panels(fx, fy, fz); },
      [&](Panels &s, int64_t block) {
        const int64_t first = block * width;
        pack<T, V>(x, fx, first, s.x.at(0));
        pack<T, V>(y, fy, first, s.y.at(0));
        clear(s.z, fz.dim);
        parts(rank, [&](int64_t r, int terms) {
          down(terms, int(fx.dim), A + r * fx.dim, s.x.at(0), s.a.at(0));
          down(terms, int(fy.dim), B + r * fy.dim, s.y.at(0), s.b.at(0));
          multiply_into<T>(terms, s.b.at(0), s.a.at(0));
          up(terms, int(fz.dim), C + r * fz.dim, s.a.at(0), s.z.at(0));
        });
        unpack<T, V>(z, fz, first, s.z.at(0));
      });
}

// Gradients of <gz, z> by x and y: features x, y, gz, gx, gy.
template <class T>
void decompose_backward(const Feature *f, int64_t rank, const T *A, const T *B, const T *C, const T *x, const T *y,
                        const T *gz, T *gx, T *gy, int threads) {
  const Feature fx = f[0], fy = f[1], fz = f[2], fgx = f[3], fgy = f[4];
  const int64_t width = lanes<T> * V;
  struct Panels {
    Scratch<T> x, y, z, gx, gy, a, b, c;
    Panels(const Feature &fx, const Feature &fy, const Feature &fz)
        : x(fx.dim * V), y(fy.dim * V), z(fz.dim * V), gx(fx.dim * V), gy(fy.dim * V), a(TERMS * V), b(TERMS * V),
          c(TERMS * V) {}
  };
  parallel_for(
      (fz.items + width - 1) / width, threads, [&] { return Panels(fx, fy, fz); },
      [&](Panels &s, int64_t block) {
        const int64_t first = block * width;
        pack<T, V>(x, fx, first, s.x.at(0));
        pack<T, V>(y, fy, first, s.y.at(0));
        pack<T, V>(gz, fz, first, s.z.at(0));
        clear(s.gx, fx.dim);
        clear(s.gy, fy.dim);
        parts(rank, [&](int64_t r, int terms) {
          down(terms, int(fx.dim), A + r * fx.dim, s.x.at(0), s.a.at(0));
          down(terms, int(fy.dim), B + r * fy.dim, s.y.at(0), s.b.at(0));
          down(terms, int(fz.dim), C + r * fz.dim, s.z.at(0), s.c.at(0));
          multiply_into<T>(terms, s.c.at(0), s.b.at(0));
          multiply_into<T>(terms, s.c.at(0), s.a.at(0));
          up(terms, int(fx.dim), A + r * fx.dim, s.b.at(0), s.gx.at(0));
          up(terms, int(fy.dim), B + r * fy.dim, s.a.at(0), s.gy.at(0));
        });
        unpack<T, V>(gx, fgx, first, s.gx.at(0));
        unpack<T, V>(gy, fgy, first, s.gy.at(0));
      });
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_DECOMPOSE(type, T)                                                                                \
  INTERTWINE_EXPORT(decompose, type)(const void *features, int64_t rank, const T *A, const T *B, const T *C,         \
                                     const T *x, const T *y, T *z, int threads) {                                    \
    using namespace INTERTWINE_ISA;                                                                                  \
    decompose<T>(static_cast<const Feature *>(features), rank, A, B, C, x, y, z, threads);                           \
  }                                                                                                                  \
  INTERTWINE_EXPORT(decompose_backward, type)(const void *features, int64_t rank, const T *A, const T *B,            \
                                              const T *C, const T *x, const T *y, const T *gz, T *gx, T *gy,         \
                                              int threads) {                                                         \
    using namespace INTERTWINE_ISA;                                                                                  \
    decompose_backward<T>(static_cast<const Feature *>(features), rank, A, B, C, x, y, gz, gx, gy, threads);         \
  }
INTERTWINE_DECOMPOSE(f32, float)
INTERTWINE_DECOMPOSE(f64, double)

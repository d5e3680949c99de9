// Sparse bilinear maps of two features, forward, backward and twice backward; O(3) acts on the rows, items are lanes.
//
// For every pair of irreps the outer product x_i y_j is formed once and turned by butterflies
// (a, b) -> (a + b, a - b), which separate sums from differences of orders: cos cos -+ sin sin, sin cos +- cos sin.
// What is left of the couplings are small dense blocks, one for each order m3 and kind; see tables in couple.py.
#include "dense.h"
#include "panels.h"

namespace INTERTWINE_ISA {

constexpr int V = 2;

// One (z row, path, add) per row of a block; add says that an earlier block has written the row.
struct Row {
  int32_t z, path, add;
};
struct Block {
  int32_t columns, rows, column_at, row_at, coef_at;
};
struct Pair {
  int32_t x, d1, y, d2, blocks, block_at;
};
template <class T>
struct Table {
  const int32_t *pairs, *blocks, *columns, *rows;
  const T *coef;
  int64_t pair_count, largest_outer, largest_block;

  // `structure` begins with three numbers and the places of the four parts.
  Table(const int32_t *s, const T *coef)
      : pairs(s + s[3]), blocks(s + s[4]), columns(s + s[5]), rows(s + s[6]), coef(coef), pair_count(s[0]),
        largest_outer(s[1]), largest_block(s[2]) {}
  const Pair &pair(int64_t i) const { return reinterpret_cast<const Pair *>(pairs)[i]; }
  const Block &block(const Pair &p, int i) const { return reinterpret_cast<const Block *>(blocks)[p.block_at + i]; }
  const Row *row(const Block &b) const { return reinterpret_cast<const Row *>(rows) + b.row_at; }
};

// The four outer products of orders +-m1, +-m2 lie at these places; butterflies turn (pp, mm) and (mp, pm).
struct Quad {
  int pp, mm, mp, pm;
  Quad(int l1, int l2, int m1, int m2)
      : pp(place(l1 + m1, l2 + m2, l2)), mm(place(l1 - m1, l2 - m2, l2)), mp(place(l1 - m1, l2 + m2, l2)),
        pm(place(l1 + m1, l2 - m2, l2)) {}
  static int place(int i, int j, int l2) { return (i * (2 * l2 + 1) + j) * V; }
};

// outer = the turned matrix of product(i, j, v), in practice x_i y_j.
template <class T, class Product>
inline void form(const Pair &p, const Product &product, vec<T> *outer) {
  const int l1 = p.d1 / 2, l2 = p.d2 / 2;
  for (int j = 0; j < p.d2; ++j)
    for (int v = 0; v < V; ++v) outer[Quad::place(l1, j, l2) + v] = product(l1, j, v);
  for (int m1 = 1; m1 <= l1; ++m1) {
    for (int v = 0; v < V; ++v) {
      outer[Quad::place(l1 + m1, l2, l2) + v] = product(l1 + m1, l2, v);
      outer[Quad::place(l1 - m1, l2, l2) + v] = product(l1 - m1, l2, v);
    }
    for (int m2 = 1; m2 <= l2; ++m2) {
      const Quad at(l1, l2, m1, m2);
      for (int v = 0; v < V; ++v) {
        const vec<T> pp = product(l1 + m1, l2 + m2, v), mm = product(l1 - m1, l2 - m2, v);
        const vec<T> mp = product(l1 - m1, l2 + m2, v), pm = product(l1 + m1, l2 - m2, v);
        outer[at.pp + v] = pp + mm;
        outer[at.mm + v] = pp - mm;
        outer[at.mp + v] = mp + pm;
        outer[at.pm + v] = mp - pm;
      }
    }
  }
}
template <class T>
inline void form(const Pair &p, const vec<T> *x, const vec<T> *y, vec<T> *outer) {
  x += p.x * V, y += p.y * V;
  form<T>(p, [=](int i, int j, int v) { return x[i * V + v] * y[j * V + v]; }, outer);
}
template <class T>
inline void form_tangent(const Pair &p, const vec<T> *x, const vec<T> *y, const vec<T> *hx, const vec<T> *hy,
                         vec<T> *outer) {
  x += p.x * V, y += p.y * V, hx += p.x * V, hy += p.y * V;
  form<T>(
      p, [=](int i, int j, int v) { return x[i * V + v] * hy[j * V + v] + hx[i * V + v] * y[j * V + v]; }, outer);
}

// emit(row, value) for all rows that a pair reaches, paths unweighted.
template <class T, class Emit>
inline void reach(const Table<T> &t, const Pair &p, const vec<T> *outer, const Emit &emit) {
  for (int i = 0; i < p.blocks; ++i) {
    const Block &b = t.block(p, i);
    const int32_t *column = t.columns + b.column_at;
    const Row *row = t.row(b);
    multiply<T, V>(
        b.rows, b.columns, t.coef + b.coef_at, b.columns, 1, [&](int k) { return outer + column[k] * V; },
        [&](int r, const vec<T> *acc) { emit(row[r], acc); });
  }
}

// The transpose: outer = the sums over rows of coupling * weighted z, still turned; weighted(row, v) is given.
template <class T, class Weighted>
inline void gather(const Table<T> &t, const Pair &p, const Weighted &weighted, vec<T> *rows, vec<T> *outer) {
  int reached = 0;
  for (int i = 0; i < p.blocks; ++i) reached += t.block(p, i).columns;
  if (reached < p.d1 * p.d2) memset(outer, 0, size_t(p.d1) * p.d2 * V * sizeof(vec<T>));
  for (int i = 0; i < p.blocks; ++i) {
    const Block &b = t.block(p, i);
    const int32_t *column = t.columns + b.column_at;
    const Row *row = t.row(b);
    for (int r = 0; r < b.rows; ++r)
      for (int v = 0; v < V; ++v) rows[r * V + v] = weighted(row[r], v);
    multiply<T, V>(
        b.columns, b.rows, t.coef + b.coef_at, 1, b.columns, [&](int k) { return rows + k * V; },
        [&](int q, const vec<T> *acc) {
          for (int v = 0; v < V; ++v) outer[column[q] * V + v] = acc[v];
        });
  }
}

// gx_i += sum_j y_j o_ij and gy_j += sum_i x_i o_ij for the matrix o that `outer` is the turned form of.
template <class T>
inline void pull(const Pair &p, const vec<T> *outer, const vec<T> *x, const vec<T> *y, vec<T> *gx, vec<T> *gy) {
  const int l1 = p.d1 / 2, l2 = p.d2 / 2;
  x += (p.x + l1) * V, gx += (p.x + l1) * V;
  y += (p.y + l2) * V, gy += (p.y + l2) * V;
  for (int v = 0; v < V; ++v) {
    vec<T> total = gx[v];
    for (int j = -l2; j <= l2; ++j) {
      const vec<T> o = outer[Quad::place(l1, l2 + j, l2) + v];
      total += o * y[j * V + v];
      gy[j * V + v] += o * x[v];
    }
    gx[v] = total;
  }
  for (int m1 = 1; m1 <= l1; ++m1)
    for (int v = 0; v < V; ++v) {
      const vec<T> xp = x[m1 * V + v], xm = x[-m1 * V + v];
      const vec<T> op = outer[Quad::place(l1 + m1, l2, l2) + v], om = outer[Quad::place(l1 - m1, l2, l2) + v];
      vec<T> gp = gx[m1 * V + v] + op * y[v], gm = gx[-m1 * V + v] + om * y[v];
      gy[v] += op * xp + om * xm;
      for (int m2 = 1; m2 <= l2; ++m2) {
        const Quad at(l1, l2, m1, m2);
        const vec<T> pp = outer[at.pp + v] + outer[at.mm + v], mm = outer[at.pp + v] - outer[at.mm + v];
        const vec<T> mp = outer[at.mp + v] + outer[at.pm + v], pm = outer[at.mp + v] - outer[at.pm + v];
        const vec<T> yp = y[m2 * V + v], ym = y[-m2 * V + v];
        gp += pp * yp + pm * ym;
        gm += mp * yp + mm * ym;
        gy[m2 * V + v] += pp * xp + mp * xm;
        gy[-m2 * V + v] += pm * xp + mm * xm;
      }
      gx[m1 * V + v] = gp;
      gx[-m1 * V + v] = gm;
    }
}

template <class T>
struct Panels {
  Scratch<T> x, y, w, z, outer, rows;
  Panels(const Table<T> &t, const Feature &fx, const Feature &fy, const Feature &fw, const Feature &fz)
      : x(fx.dim * V), y(fy.dim * V), w(fw.dim * V), z(fz.dim * V), outer(t.largest_outer * V),
        rows(t.largest_block * V) {}
};

template <class T>
void forward(const Table<T> &t, const Feature *f, const T *x, const T *y, const T *w, T *z, int threads) {
  const Feature fx = f[0], fy = f[1], fw = f[2], fz = f[3];
  const int64_t width = lanes<T> * V;
  parallel_for(
      (fz.items + width - 1) / width, threads, [&] { return Panels<T>(t, fx, fy, fw, fz); },
      [&](Panels<T> &s, int64_t block) {
        const int64_t first = block * width;
        pack<T, V>(x, fx, first, s.x.at(0));
        pack<T, V>(y, fy, first, s.y.at(0));
        if (w) pack<T, V>(w, fw, first, s.w.at(0));
        for (int64_t i = 0; i < t.pair_count; ++i) {
          const Pair &p = t.pair(i);
          form<T>(p, s.x.at(0), s.y.at(0), s.outer.at(0));
          reach(t, p, s.outer.at(0), [&](const Row &row, const vec<T> *acc) {
            vec<T> *to = s.z.at(row.z * V);
            for (int v = 0; v < V; ++v) {
              const vec<T> value = w ? acc[v] * s.w[row.path * V + v] : acc[v];
              to[v] = row.add ? to[v] + value : value;
            }
          });
        }
        unpack<T, V>(z, fz, first, s.z.at(0));
      });
}

template <class T>
void backward(const Table<T> &t, const Feature *f, const T *x, const T *y, const T *w, const T *gz, T *gx, T *gy, T *gw,
              int threads) {
  const Feature fx = f[0], fy = f[1], fw = f[2], fz = f[3], gfx = f[4], gfy = f[5], gfw = f[6];
  const int64_t width = lanes<T> * V;
  struct More : Panels<T> {
    Scratch<T> gx, gy, gw;
    More(const Table<T> &t, const Feature &fx, const Feature &fy, const Feature &fw, const Feature &fz)
        : Panels<T>(t, fx, fy, fw, fz), gx(fx.dim * V), gy(fy.dim * V), gw(fw.dim * V) {}
  };
  parallel_for(
      (fz.items + width - 1) / width, threads, [&] { return More(t, fx, fy, fw, fz); },
      [&](More &s, int64_t block) {
        const int64_t first = block * width;
        pack<T, V>(x, fx, first, s.x.at(0));
        pack<T, V>(y, fy, first, s.y.at(0));
        pack<T, V>(gz, fz, first, s.z.at(0));
        if (w) pack<T, V>(w, fw, first, s.w.at(0));
        memset(s.gx.at(0), 0, fx.dim * V * sizeof(vec<T>));
        memset(s.gy.at(0), 0, fy.dim * V * sizeof(vec<T>));
        memset(s.gw.at(0), 0, fw.dim * V * sizeof(vec<T>));
        for (int64_t i = 0; i < t.pair_count; ++i) {
          const Pair &p = t.pair(i);
          if (gw) {
            form<T>(p, s.x.at(0), s.y.at(0), s.outer.at(0));
            reach(t, p, s.outer.at(0), [&](const Row &row, const vec<T> *acc) {
              for (int v = 0; v < V; ++v) s.gw[row.path * V + v] += acc[v] * s.z[row.z * V + v];
            });
          }
          gather(
              t, p,
              [&](const Row &row, int v) {
                const vec<T> value = s.z[row.z * V + v];
                return w ? value * s.w[row.path * V + v] : value;
              },
              s.rows.at(0), s.outer.at(0));
          pull<T>(p, s.outer.at(0), s.x.at(0), s.y.at(0), s.gx.at(0), s.gy.at(0));
        }
        unpack<T, V>(gx, gfx, first, s.gx.at(0));
        unpack<T, V>(gy, gfy, first, s.gy.at(0));
        if (gw) unpack<T, V>(gw, gfw, first, s.gw.at(0));
      });
}

// Derivatives of <gx, hx> + <gy, hy> + <gw, hw> by x, y, w and gz: the backward pass in dual numbers.
template <class T>
void twice(const Table<T> &t, const Feature *f, const T *x, const T *y, const T *w, const T *gz, const T *hx,
           const T *hy, const T *hw, T *dx, T *dy, T *dw, T *dz, int threads) {
  const Feature fx = f[0], fy = f[1], fw = f[2], fz = f[3], gfx = f[4], gfy = f[5], gfw = f[6];
  const int64_t width = lanes<T> * V;
  struct More : Panels<T> {
    Scratch<T> hx, hy, hw, dx, dy, dw, dz;
    More(const Table<T> &t, const Feature &fx, const Feature &fy, const Feature &fw, const Feature &fz)
        : Panels<T>(t, fx, fy, fw, fz), hx(fx.dim * V), hy(fy.dim * V), hw(fw.dim * V), dx(fx.dim * V),
          dy(fy.dim * V), dw(fw.dim * V), dz(fz.dim * V) {}
  };
  parallel_for(
      (fz.items + width - 1) / width, threads, [&] { return More(t, fx, fy, fw, fz); },
      [&](More &s, int64_t block) {
        const int64_t first = block * width;
        pack<T, V>(x, fx, first, s.x.at(0));
        pack<T, V>(y, fy, first, s.y.at(0));
        pack<T, V>(gz, fz, first, s.z.at(0));
        pack<T, V>(hx, gfx, first, s.hx.at(0));
        pack<T, V>(hy, gfy, first, s.hy.at(0));
        if (w) {
          pack<T, V>(w, fw, first, s.w.at(0));
          pack<T, V>(hw, gfw, first, s.hw.at(0));
        }
        memset(s.dx.at(0), 0, fx.dim * V * sizeof(vec<T>));
        memset(s.dy.at(0), 0, fy.dim * V * sizeof(vec<T>));
        memset(s.dw.at(0), 0, fw.dim * V * sizeof(vec<T>));
        memset(s.dz.at(0), 0, fz.dim * V * sizeof(vec<T>));
        for (int64_t i = 0; i < t.pair_count; ++i) {
          const Pair &p = t.pair(i);
          form_tangent<T>(p, s.x.at(0), s.y.at(0), s.hx.at(0), s.hy.at(0), s.outer.at(0));
          reach(t, p, s.outer.at(0), [&](const Row &row, const vec<T> *acc) {
            for (int v = 0; v < V; ++v) {
              s.dz[row.z * V + v] += w ? acc[v] * s.w[row.path * V + v] : acc[v];
              if (w) s.dw[row.path * V + v] += acc[v] * s.z[row.z * V + v];
            }
          });
          gather(
              t, p,
              [&](const Row &row, int v) {
                const vec<T> value = s.z[row.z * V + v];
                return w ? value * s.w[row.path * V + v] : value;
              },
              s.rows.at(0), s.outer.at(0));
          pull<T>(p, s.outer.at(0), s.hx.at(0), s.hy.at(0), s.dx.at(0), s.dy.at(0));
          if (w) {
            form<T>(p, s.x.at(0), s.y.at(0), s.outer.at(0));
            reach(t, p, s.outer.at(0), [&](const Row &row, const vec<T> *acc) {
              for (int v = 0; v < V; ++v) s.dz[row.z * V + v] += acc[v] * s.hw[row.path * V + v];
            });
            gather(
                t, p, [&](const Row &row, int v) { return s.z[row.z * V + v] * s.hw[row.path * V + v]; },
                s.rows.at(0), s.outer.at(0));
            pull<T>(p, s.outer.at(0), s.x.at(0), s.y.at(0), s.dx.at(0), s.dy.at(0));
          }
        }
        unpack<T, V>(dx, gfx, first, s.dx.at(0));
        unpack<T, V>(dy, gfy, first, s.dy.at(0));
        unpack<T, V>(dz, fz, first, s.dz.at(0));
        if (w) unpack<T, V>(dw, gfw, first, s.dw.at(0));
      });
}

}  // namespace INTERTWINE_ISA

#define INTERTWINE_COUPLE(type, T)                                                                                   \
  INTERTWINE_EXPORT(couple, type)(const int32_t *structure, const T *coef, const void *features, const T *x,         \
                                  const T *y, const T *w, T *z, int threads) {                                       \
    using namespace INTERTWINE_ISA;                                                                                  \
    forward<T>(Table<T>(structure, coef), static_cast<const Feature *>(features), x, y, w, z, threads);              \
  }                                                                                                                  \
  INTERTWINE_EXPORT(couple_backward, type)(const int32_t *structure, const T *coef, const void *features,            \
                                           const T *x, const T *y, const T *w, const T *gz, T *gx, T *gy, T *gw,     \
                                           int threads) {                                                            \
    using namespace INTERTWINE_ISA;                                                                                  \
    backward<T>(Table<T>(structure, coef), static_cast<const Feature *>(features), x, y, w, gz, gx, gy, gw,          \
                threads);                                                                                            \
  }                                                                                                                  \
  INTERTWINE_EXPORT(couple_twice, type)(const int32_t *structure, const T *coef, const void *features, const T *x,   \
                                        const T *y, const T *w, const T *gz, const T *hx, const T *hy, const T *hw,  \
                                        T *dx, T *dy, T *dw, T *dz, int threads) {                                   \
    using namespace INTERTWINE_ISA;                                                                                  \
    twice<T>(Table<T>(structure, coef), static_cast<const Feature *>(features), x, y, w, gz, hx, hy, hw, dx, dy, dw, \
             dz, threads);                                                                                           \
  }
INTERTWINE_COUPLE(f32, float)
INTERTWINE_COUPLE(f64, double)

#include "gradus/kernels/sparse.hpp"

#include <algorithm>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/broadcast.hpp"

namespace gradus::kernels {

template <class T>
void spmm(const Index* starts, const Index* columns, const T* values, const T* x, T* out, Index rows, Index width) {
  if (rows == 0 || width == 0) return;
  const Index work = (starts[rows] / rows + 1) * width;  // of a row, on average
  parallel_for(rows, std::max<Index>(1, elementwise_grain / work), [&](Index first, Index last) {
    for (Index r = first; r < last; ++r) {
      T* const y = out + r * width;
      std::fill_n(y, width, T(0));
      for (Index e = starts[r]; e < starts[r + 1]; ++e) {
        const T value = values[e];
        const T* const row = x + columns[e] * width;
        for (Index j = 0; j < width; ++j) y[j] += value * row[j];
      }
    }
  });
}

template <class T>
void transpose_csr(const Index* starts, const Index* columns, const T* values, Index rows, Index columns_count,
                   Index* out_starts, Index* out_columns, T* out_values) {
  std::fill_n(out_starts, columns_count + 1, Index{0});
  for (Index e = 0; e < starts[rows]; ++e) ++out_starts[columns[e] + 1];
  for (Index c = 0; c < columns_count; ++c) out_starts[c + 1] += out_starts[c];
  std::vector<Index> next(out_starts, out_starts + columns_count);
  for (Index r = 0; r < rows; ++r)
    for (Index e = starts[r]; e < starts[r + 1]; ++e) {
      const Index at = next[std::size_t(columns[e])]++;
      out_columns[at] = r;
      out_values[at] = values[e];
    }
}

#define GRADUS_SPARSE(T)                                                                \
  template void spmm(const Index*, const Index*, const T*, const T*, T*, Index, Index); \
  template void transpose_csr(const Index*, const Index*, const T*, Index, Index, Index*, Index*, T*);
GRADUS_SPARSE(float)
GRADUS_SPARSE(double)
#undef GRADUS_SPARSE

}  // namespace gradus::kernels

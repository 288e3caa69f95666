#include "gradus/kernels/sort.hpp"

#include <algorithm>
#include <vector>

#include "gradus/core/parallel.hpp"

namespace gradus::kernels {
namespace {

template <class T>
bool less(T a, T b) {
  return a < b || (a == a && b != b);
}

template <class T>
struct Entry {
  T value;
  std::int64_t place;
};

}  // namespace

template <class T>
void order(const T* x, std::int64_t* out, Index outer, Index n, Index inner, Index count, bool descending) {
  if (count == 0) return;
  parallel_for(outer * inner, std::max<Index>(1, 4096 / n), [&](Index first, Index last) {
    std::vector<Entry<T>> entries(static_cast<std::size_t>(n));
    for (Index row = first; row < last; ++row) {
      const Index o = row / inner, i = row % inner;
      for (Index k = 0; k < n; ++k) entries[std::size_t(k)] = {x[(o * n + k) * inner + i], k};
      // The place breaks ties, which makes the order total: stable, and the same for a partial sort.
      const auto before = [descending](const Entry<T>& a, const Entry<T>& b) {
        const T &left = descending ? b.value : a.value, &right = descending ? a.value : b.value;
        return less(left, right) || (!less(right, left) && a.place < b.place);
      };
      if (count == n)
        std::sort(entries.begin(), entries.end(), before);
      else
        std::partial_sort(entries.begin(), entries.begin() + count, entries.end(), before);
      for (Index j = 0; j < count; ++j) out[(o * count + j) * inner + i] = entries[std::size_t(j)].place;
    }
  });
}

template void order(const float*, std::int64_t*, Index, Index, Index, Index, bool);
template void order(const double*, std::int64_t*, Index, Index, Index, Index, bool);
template void order(const std::int64_t*, std::int64_t*, Index, Index, Index, Index, bool);

}  // namespace gradus::kernels

#pragma once
// A vector whose first N elements live inside the object: operations have one or two inputs, so most need no allocation.
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace gradus {

/// T must be default-constructible and cheap when empty (a handle).
template <class T, std::size_t N> class SmallVector {
 public:
  SmallVector() = default;
  explicit SmallVector(std::size_t size) { resize(size); }
  SmallVector(std::initializer_list<T> values) {
    resize(values.size());
    std::size_t i = 0;
    for (const T& value : values) (*this)[i++] = value;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return many_.empty() ? few_ : many_.data(); }
  T* end() { return begin() + size_; }
  const T* begin() const { return many_.empty() ? few_ : many_.data(); }
  const T* end() const { return begin() + size_; }
  T& operator[](std::size_t i) { return begin()[i]; }
  const T& operator[](std::size_t i) const { return begin()[i]; }

  /// Only growing from empty keeps what the engine needs simple.
  void resize(std::size_t size) {
    if (size > N) many_.resize(size);
    size_ = size;
  }

 private:
  T few_[N]{};
  std::vector<T> many_;
  std::size_t size_ = 0;
};

}  // namespace gradus

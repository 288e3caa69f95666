#pragma once
// Shared ownership with the count inside the object: one pointer wide, one allocation per object.
#include <atomic>
#include <cstdint>
#include <utility>

namespace gradus {

/// A pointer that calls retain(T*) and release(T*), found beside T; T may be incomplete where a Ref is only passed along.
template <class T> class Ref {
 public:
  constexpr Ref() = default;
  constexpr Ref(std::nullptr_t) {}
  /// Shares ownership.
  explicit Ref(T* pointer) : pointer_(pointer) {
    if (pointer_ != nullptr) retain(pointer_);
  }
  /// Takes over a count that somebody else has already added.
  static Ref adopt(T* pointer) {
    Ref ref;
    ref.pointer_ = pointer;
    return ref;
  }
  Ref(const Ref& other) : Ref(other.pointer_) {}
  Ref(Ref&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Ref() {
    if (pointer_ != nullptr) release(pointer_);
  }

  T* get() const { return pointer_; }
  T* operator->() const { return pointer_; }
  T& operator*() const { return *pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.pointer_ == b.pointer_; }

 private:
  T* pointer_ = nullptr;
};

/// The count itself. A new object has one owner, to be adopted.
class RefCount {
 public:
  void add() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  /// True when the last owner is gone.
  bool drop() noexcept { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  std::uint32_t value() const noexcept { return count_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint32_t> count_{1};
};

}  // namespace gradus

#pragma once
// The caching allocator. Fresh pages cost a page fault each (about a tenth of memory bandwidth), so blocks that a training step
// gives back are kept and handed out again in the next one.
#include <cstddef>

namespace gradus::memory {

/// A block of at least `bytes` bytes, aligned to 64. Throws Error when the system has no memory left.
void* allocate(std::size_t bytes);
/// Gives the block back; `bytes` is the size that was asked for.
void release(void* block, std::size_t bytes) noexcept;

struct Stats {
  std::size_t in_use;       ///< bytes handed out and not yet given back
  std::size_t cached;       ///< bytes kept for reuse
  std::size_t peak_in_use;  ///< the largest in_use since the start or reset_peak(), seen at blocks above 64 KiB
};
Stats stats();
void reset_peak();

/// Returns every cached block above 64 KiB to the system.
void empty_cache();

/// operator new and delete for small objects that come and go with every operation.
struct Pooled {
  static void* operator new(std::size_t bytes) { return allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { release(block, bytes); }
};

}  // namespace gradus::memory

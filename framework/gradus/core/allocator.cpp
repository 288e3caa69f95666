#include "gradus/core/allocator.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "gradus/core/format.hpp"

namespace gradus::memory {
namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t small_limit = 64 * 1024 + alignment;
constexpr std::size_t huge_page = 2 * 1024 * 1024;
// Blocks above small_limit and below a huge page are cut from pieces of a few of those: each page costs a fault when it is
// first touched. With room for the header of each block.
constexpr std::size_t medium_limit = huge_page - 1;
constexpr std::size_t piece_size = 4 * huge_page + 8 * 1024;

[[noreturn]] void out_of_memory(std::size_t bytes) {
  failf("allocate", "out of memory: {} bytes ({:.3g} GiB) were asked for", bytes, double(bytes) / (1 << 30));
}

std::size_t physical_memory() {
  static const std::size_t bytes = std::size_t(sysconf(_SC_PHYS_PAGES)) * std::size_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

void* from_system(std::size_t bytes) {
  // Linux promises more memory than there is and kills the process that believes it; a block beyond all memory is refused here.
  if (bytes > physical_memory()) return nullptr;
  const std::size_t align = bytes >= huge_page ? huge_page : alignment;
  void* block = std::aligned_alloc(align, (bytes + align - 1) / align * align);
  if (block != nullptr && bytes >= huge_page) madvise(block, bytes, MADV_HUGEPAGE);
  return block;
}

// What blocks hold besides a line of the cache, for the header in front of a tensor's numbers, which are often a power of
// two: rounded up to the next of four steps per power of two. At most a quarter is lost, an eighth on average.
std::size_t rounded(std::size_t bytes) {
  if (bytes <= alignment) return alignment;
  const std::size_t content = bytes - alignment, step = std::max(std::bit_floor(content - 1) / 4, alignment);
  return (content + step - 1) / step * step + alignment;
}

constexpr int small_classes = 40;

// The class of a rounded small size: a line of the cache and 0, 64, 128, 192, 256, 320, ..., 64 KiB.
int class_of(std::size_t size) {
  const std::size_t content = size - alignment;
  if (content <= 256) return int(content / 64);
  const int power = std::bit_width(content - 1) - 1;  // content lies in (2^power, 2^(power+1)]
  return 5 + (power - 8) * 4 + int((content - (std::size_t{1} << power)) / ((std::size_t{1} << power) / 4)) - 1;
}

struct FreeBlock {
  FreeBlock* next;
};

struct FreeList {
  FreeBlock* head = nullptr;
  std::uint32_t count = 0;
  void push(void* block) {
    head = new (block) FreeBlock{head};
    ++count;
  }
  void* pop() {
    FreeBlock* block = head;
    if (block != nullptr) {
      head = block->next;
      --count;
    }
    return block;
  }
};

// What all threads share. Never destroyed: tensors with static lifetime are released after every other object.
struct Shared {
  std::mutex mutex;
  std::array<FreeList, small_classes> small;
  std::map<std::size_t, std::vector<void*>> large;  // by rounded size
  struct Piece {
    std::size_t cut = 0;   // bytes that were handed out, from its beginning
    std::size_t idle = 0;  // of them, what free_large has found in `large`
  };
  std::map<void*, Piece> pieces;                     // of which medium blocks are, by address
  void* last_piece = nullptr;                        // from which blocks are cut
  std::byte* chunk = nullptr;                        // small blocks are cut from chunks
  std::size_t chunk_left = 0;
  std::size_t large_cached = 0;
  std::size_t large_in_use = 0;
  std::size_t peak = 0;
  std::atomic<std::int64_t> small_in_use{0};  // of threads that have ended, and of those without a cache
  std::vector<std::atomic<std::int64_t>*> thread_in_use;

  std::size_t small_total() const {
    std::int64_t total = small_in_use.load(std::memory_order_relaxed);
    for (const auto* count : thread_in_use) total += count->load(std::memory_order_relaxed);
    return std::size_t(std::max<std::int64_t>(total, 0));
  }
  Piece& piece_of(void* block) { return std::prev(pieces.upper_bound(block))->second; }
  // Medium blocks go when all of their piece are there.
  void free_large() {
    for (auto& [address, piece] : pieces) piece.idle = 0;
    for (auto& [size, blocks] : large)
      for (void* block : blocks) {
        if (size <= medium_limit) piece_of(block).idle += size;
      }
    for (auto& [size, blocks] : large) {
      const auto kept = std::partition(blocks.begin(), blocks.end(), [&, bytes = size](void* block) {
        if (bytes > medium_limit) return false;
        const Piece& piece = piece_of(block);
        return piece.idle < piece.cut;
      });
      for (auto block = kept; block != blocks.end(); ++block) {
        large_cached -= size;
        if (size > medium_limit) std::free(*block);
      }
      blocks.erase(kept, blocks.end());
    }
    std::erase_if(large, [](const auto& entry) { return entry.second.empty(); });
    std::erase_if(pieces, [&](const auto& entry) {
      const auto& [address, piece] = entry;
      if (piece.idle < piece.cut) return false;
      if (address == last_piece) last_piece = nullptr;
      std::free(address);
      return true;
    });
  }
  void* cut_medium(std::size_t size) {
    if (last_piece == nullptr || pieces[last_piece].cut + size > piece_size) {
      void* piece = from_system(piece_size);
      if (piece == nullptr) return nullptr;
      pieces[piece] = {};
      last_piece = piece;
    }
    Piece& piece = pieces[last_piece];
    void* block = static_cast<std::byte*>(last_piece) + piece.cut;
    piece.cut += size;
    return block;
  }
};

Shared& shared() {
  static Shared& instance = *new Shared;
  return instance;
}

struct ThreadCache {
  std::array<FreeList, small_classes> lists;
  std::atomic<std::int64_t> in_use{0};  // written by its thread alone, read by stats()
};

// A thread keeps blocks worth 256 KiB per class; what it gives back beyond that goes to the others, so a producer and a consumer
// in different threads do not grow without bound.
std::uint32_t most_kept(std::size_t size) { return std::uint32_t(std::max<std::size_t>(8, 256 * 1024 / size)); }

constinit thread_local ThreadCache* cache = nullptr;
constinit thread_local bool cache_closed = false;

struct Janitor {
  ~Janitor() {
    ThreadCache* mine = std::exchange(cache, nullptr);
    cache_closed = true;
    if (mine == nullptr) return;
    Shared& all = shared();
    const std::lock_guard lock(all.mutex);
    for (int i = 0; i < small_classes; ++i)
      while (void* block = mine->lists[i].pop()) all.small[i].push(block);
    all.small_in_use += mine->in_use.load();
    std::erase(all.thread_in_use, &mine->in_use);
    delete mine;
  }
};

ThreadCache* open_cache() {
  if (cache == nullptr && !cache_closed) {
    static thread_local Janitor janitor;
    (void)janitor;
    cache = new ThreadCache;
    const std::lock_guard lock(shared().mutex);
    shared().thread_in_use.push_back(&cache->in_use);
  }
  return cache;
}

void count_small(ThreadCache* mine, std::int64_t bytes) {
  if (mine != nullptr)
    mine->in_use.store(mine->in_use.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  else
    shared().small_in_use.fetch_add(bytes, std::memory_order_relaxed);
}

void* cut_from_chunk(Shared& all, std::size_t size) {
  constexpr std::size_t chunk_size = 1024 * 1024;
  if (all.chunk_left < size) {
    all.chunk = static_cast<std::byte*>(from_system(chunk_size));
    all.chunk_left = all.chunk == nullptr ? 0 : chunk_size;
    if (all.chunk == nullptr) out_of_memory(size);
  }
  void* block = all.chunk;
  all.chunk += size;
  all.chunk_left -= size;
  return block;
}

void* refill(ThreadCache* mine, int kind, std::size_t size) {
  Shared& all = shared();
  const std::lock_guard lock(all.mutex);
  if (mine == nullptr) {
    void* block = all.small[kind].pop();
    return block != nullptr ? block : cut_from_chunk(all, size);
  }
  const std::uint32_t wanted = std::max<std::uint32_t>(1, most_kept(size) / 4);
  void* first = nullptr;
  for (std::uint32_t i = 0; i < wanted; ++i) {
    void* block = all.small[kind].pop();
    if (block == nullptr) {
      if (first != nullptr && i >= 8) break;
      block = cut_from_chunk(all, size);
    }
    if (first == nullptr)
      first = block;
    else
      mine->lists[kind].push(block);
  }
  return first;
}

void spill(ThreadCache* mine, int kind) {
  Shared& all = shared();
  const std::lock_guard lock(all.mutex);
  FreeList& list = mine->lists[kind];
  for (std::uint32_t i = list.count / 2; i > 0; --i) all.small[kind].push(list.pop());
}

void* allocate_large(std::size_t size) {
  Shared& all = shared();
  const std::lock_guard lock(all.mutex);
  void* block = nullptr;
  if (auto found = all.large.find(size); found != all.large.end() && !found->second.empty()) {
    block = found->second.back();
    found->second.pop_back();
    all.large_cached -= size;
  } else {
    // Sizes that are no longer asked for must not pile up: what is held stays near what was needed at the peak.
    const std::size_t allowed = all.peak + all.peak / 4 + 64 * 1024 * 1024;
    if (all.large_in_use + all.large_cached + size > allowed) all.free_large();
    const auto fresh = [&] { return size <= medium_limit ? all.cut_medium(size) : from_system(size); };
    block = fresh();
    if (block == nullptr) {
      all.free_large();
      block = fresh();
    }
    if (block == nullptr) out_of_memory(size);
  }
  all.large_in_use += size;
  all.peak = std::max(all.peak, all.large_in_use + all.small_total());
  return block;
}

void release_large(void* block, std::size_t size) noexcept {
  Shared& all = shared();
  const std::lock_guard lock(all.mutex);
  all.large_in_use -= size;
  try {
    all.large[size].push_back(block);
    all.large_cached += size;
  } catch (...) {  // no memory for the list itself
    if (size > medium_limit) std::free(block);
  }
}

}  // namespace

#ifdef GRADUS_SYSTEM_ALLOCATOR

void* allocate(std::size_t bytes) {
  if (bytes > std::size_t(PTRDIFF_MAX) - alignment) out_of_memory(bytes);
  void* block = bytes > physical_memory() ? nullptr : std::aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
  if (block == nullptr) out_of_memory(bytes);
  count_small(nullptr, std::int64_t(bytes));
  const std::lock_guard lock(shared().mutex);
  shared().peak = std::max(shared().peak, shared().small_total());
  return block;
}
void release(void* block, std::size_t bytes) noexcept {
  count_small(nullptr, -std::int64_t(bytes));
  std::free(block);
}

#else

void* allocate(std::size_t bytes) {
  if (bytes > std::size_t(PTRDIFF_MAX) / 2) out_of_memory(bytes);
  const std::size_t size = rounded(bytes);
  if (size > small_limit) return allocate_large(size);
  const int kind = class_of(size);
  ThreadCache* mine = cache != nullptr ? cache : open_cache();
  void* block = mine != nullptr ? mine->lists[kind].pop() : nullptr;
  if (block == nullptr) block = refill(mine, kind, size);
  count_small(mine, std::int64_t(size));
  return block;
}

void release(void* block, std::size_t bytes) noexcept {
  const std::size_t size = rounded(bytes);
  if (size > small_limit) return release_large(block, size);
  const int kind = class_of(size);
  ThreadCache* mine = cache != nullptr ? cache : open_cache();
  count_small(mine, -std::int64_t(size));
  if (mine == nullptr) {
    Shared& all = shared();
    const std::lock_guard lock(all.mutex);
    all.small[kind].push(block);
    return;
  }
  mine->lists[kind].push(block);
  if (mine->lists[kind].count > most_kept(size)) spill(mine, kind);
}

#endif

Stats stats() {
  Shared& all = shared();
  const std::lock_guard lock(all.mutex);
  const std::size_t in_use = all.large_in_use + all.small_total();
  return {in_use, all.large_cached, std::max(all.peak, in_use)};
}

void reset_peak() {
  Shared& all = shared();
  const std::lock_guard lock(all.mutex);
  all.peak = all.large_in_use + all.small_total();
}

void empty_cache() {
  Shared& all = shared();
  const std::lock_guard lock(all.mutex);
  all.free_large();
}

}  // namespace gradus::memory

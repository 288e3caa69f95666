#include "gradus/autograd/node.hpp"

#include <atomic>

#include "gradus/autograd/mode.hpp"

namespace gradus::autograd {

constinit thread_local bool recording_flag = true;

namespace {
std::atomic<std::uint64_t> last_number{0};
}

Node::Node(const char* operation, const Tensor& value)
    : number_(last_number.fetch_add(1, std::memory_order_relaxed) + 1),
      operation_(operation),
      shape_(value.shape()),
      dtype_(value.dtype()) {}

std::uint64_t latest_number() { return last_number.load(std::memory_order_relaxed); }

void retain(Node* node) noexcept { node->count_.add(); }

void release(Node* node) noexcept {
  if (!node->count_.drop()) return;
  // Deleting a node releases its inputs. Done by recursion, a long chain would overflow the stack, so whatever becomes free
  // meanwhile joins a list that the outermost call works off.
  thread_local Node* pending = nullptr;
  thread_local bool working = false;
  node->next_to_delete_ = pending;
  pending = node;
  if (working) return;
  working = true;
  while (pending != nullptr) {
    Node* next = pending;
    pending = next->next_to_delete_;
    delete next;
  }
  working = false;
}

}  // namespace gradus::autograd

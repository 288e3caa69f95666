#pragma once
// For source files only: what a Python pickle describes, without doing it. Names of classes and functions stay names,
// so that a hostile file runs nothing. Just the instructions that protocol 2 needs for arrays, sparse matrices, lists
// and dictionaries are known (https://docs.python.org/3/library/pickletools.html).
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::data {

struct PickleItem {
  enum class Kind { none, truth, whole, text, tuple, list, dictionary, name, object };
  Kind kind = Kind::none;
  Index number = 0;                      ///< of truth and whole
  std::string_view text;                 ///< of text; of name "module\nname"
  std::vector<const PickleItem*> items;  ///< of tuple and list; of a dictionary (or an object like one) key, value, ...
  const PickleItem* callee = nullptr;    ///< an object is callee(*arguments), then given `state`
  const PickleItem* arguments = nullptr;
  const PickleItem* state = nullptr;
};

struct PickleArray {
  std::vector<Index> shape;
  std::vector<double> values;  ///< row-major
};

/// A sparse matrix in compressed rows, checked: starts rise from 0 to the number of entries, columns are in range.
struct PickleCsr {
  Index rows, columns;
  std::vector<Index> starts, indices;
  std::vector<double> values;
};

class Pickle {
 public:
  /// Throws Error with operation, path and reason for anything else than a pickle of that kind, of at most 32 MiB.
  Pickle(const char* operation, const std::string& path);
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;

  const PickleItem& root() const { return *root_; }
  /// A NumPy array of 32- or 64-bit numbers, little-endian.
  PickleArray array(const PickleItem& item) const;
  /// A scipy.sparse.csr_matrix.
  PickleCsr csr(const PickleItem& item) const;

  template <class... A>
  [[noreturn]] void refuse(fmt::format_string<A...> text, A&&... values) const {
    failf(operation_, "\"{}\" is damaged or of another kind: {}", path_, fmt::format(text, std::forward<A>(values)...));
  }

 private:
  using Kind = PickleItem::Kind;
  void run();
  std::string_view take(std::size_t bytes);
  Index number(std::size_t bytes);
  std::string_view line();
  PickleItem& make(Kind kind);
  PickleItem& push(Kind kind);
  PickleItem* pop();
  std::vector<const PickleItem*> pop_to_mark();
  void tuple(std::size_t size);
  void extend(std::vector<const PickleItem*> more, bool pairs);
  const std::vector<const PickleItem*>& state_of(const PickleItem& item, std::string_view module, std::string_view name,
                                                 Kind kind) const;

  const char* operation_;
  std::string path_, bytes_;
  std::size_t at_ = 0;
  std::deque<PickleItem> all_;  // owns every item: they may refer to each other in any way
  std::vector<PickleItem*> stack_, memo_;
  std::vector<std::size_t> marks_;
  PickleItem* root_ = nullptr;
};

}  // namespace gradus::data

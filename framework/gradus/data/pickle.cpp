#include "gradus/data/pickle.hpp"

#include <algorithm>
#include <cstring>

#include "gradus/data/byte_reader.hpp"

namespace gradus::data {
namespace {

constexpr std::uint64_t largest_file = 1 << 25;

}  // namespace

Pickle::Pickle(const char* operation, const std::string& path)
    : operation_(operation), path_(path), bytes_(read_text(operation, path, largest_file)) {
  run();
}

std::string_view Pickle::take(std::size_t bytes) {
  if (bytes > bytes_.size() - at_) refuse("it ends before byte {}", at_ + bytes);
  at_ += bytes;
  return std::string_view(bytes_).substr(at_ - bytes, bytes);
}

// Little-endian; four bytes have a sign.
Index Pickle::number(std::size_t bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, take(bytes).data(), bytes);
  return bytes == 4 ? Index(std::int32_t(value)) : Index(value);
}

std::string_view Pickle::line() {
  const std::size_t end = bytes_.find('\n', at_);
  if (end == std::string::npos) refuse("a name does not end");
  const std::string_view found = std::string_view(bytes_).substr(at_, end - at_);
  at_ = end + 1;
  return found;
}

PickleItem& Pickle::make(Kind kind) {
  all_.emplace_back().kind = kind;
  return all_.back();
}

PickleItem& Pickle::push(Kind kind) {
  stack_.push_back(&make(kind));
  return *stack_.back();
}

PickleItem* Pickle::pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) refuse("an instruction before byte {} lacks a value", at_);
  PickleItem* const top = stack_.back();
  stack_.pop_back();
  return top;
}

std::vector<const PickleItem*> Pickle::pop_to_mark() {
  if (marks_.empty()) refuse("an instruction before byte {} lacks a mark", at_);
  std::vector<const PickleItem*> items(stack_.begin() + std::ptrdiff_t(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

void Pickle::tuple(std::size_t size) {
  std::vector<const PickleItem*> items(size);
  for (std::size_t i = size; i-- > 0;) items[i] = pop();
  push(Kind::tuple).items = std::move(items);
}

// Adds to the list or dictionary on top of the stack.
void Pickle::extend(std::vector<const PickleItem*> more, bool pairs) {
  PickleItem* const target = pop();
  stack_.push_back(target);
  const bool fits =
      pairs ? target->kind == Kind::dictionary || target->kind == Kind::object : target->kind == Kind::list;
  if (!fits || (pairs && more.size() % 2 != 0)) refuse("the values before byte {} belong to nothing", at_);
  target->items.insert(target->items.end(), more.begin(), more.end());
}

void Pickle::run() {
  const auto remember = [&](std::size_t place) {
    PickleItem* const top = pop();
    stack_.push_back(top);
    // Writers number consecutively; a gap would let four bytes claim gigabytes.
    if (place > memo_.size() + 1) refuse("value {} is kept before value {}", place, memo_.size());
    if (place >= memo_.size()) memo_.resize(place + 1, nullptr);
    memo_[place] = top;
  };
  const auto recall = [&](std::size_t place) {
    if (place >= memo_.size() || memo_[place] == nullptr) refuse("there is no value {} yet before byte {}", place, at_);
    stack_.push_back(memo_[place]);
  };
  for (;;) {
    const auto instruction = static_cast<unsigned char>(take(1)[0]);
    switch (instruction) {
      case 0x80:
        if (const Index version = number(1); version > 2) refuse("its protocol is {}; up to 2 are known", version);
        break;
      case 'c': {
        const std::size_t start = at_;
        line();
        line();
        push(Kind::name).text = std::string_view(bytes_).substr(start, at_ - 1 - start);
        break;
      }
      case 'q':
        remember(std::size_t(number(1)));
        break;
      case 'r':
        remember(std::size_t(number(4)));
        break;
      case 'h':
        recall(std::size_t(number(1)));
        break;
      case 'j':
        recall(std::size_t(number(4)));
        break;
      case 'K':
        push(Kind::whole).number = number(1);
        break;
      case 'M':
        push(Kind::whole).number = number(2);
        break;
      case 'J':
        push(Kind::whole).number = number(4);
        break;
      case 'U': {
        const std::string_view text = take(std::size_t(number(1)));
        push(Kind::text).text = text;
        break;
      }
      case 'T': {
        const std::string_view text = take(std::size_t(number(4)));
        push(Kind::text).text = text;
        break;
      }
      case 'N':
        push(Kind::none);
        break;
      case 0x88:
      case 0x89:
        push(Kind::truth).number = instruction == 0x88;
        break;
      case '(':
        marks_.push_back(stack_.size());
        break;
      case ')':
        push(Kind::tuple);
        break;
      case 0x85:
      case 0x86:
      case 0x87:
        tuple(instruction - 0x84u);
        break;
      case 't': {
        std::vector<const PickleItem*> items = pop_to_mark();
        push(Kind::tuple).items = std::move(items);
        break;
      }
      case ']':
        push(Kind::list);
        break;
      case '}':
        push(Kind::dictionary);
        break;
      case 'a': {
        const PickleItem* const item = pop();
        extend({item}, false);
        break;
      }
      case 'e':
        extend(pop_to_mark(), false);
        break;
      case 's': {
        const PickleItem* const value = pop();
        const PickleItem* const key = pop();
        extend({key, value}, true);
        break;
      }
      case 'u':
        extend(pop_to_mark(), true);
        break;
      case 'R':
      case 0x81: {
        const PickleItem* const arguments = pop();
        const PickleItem* const callee = pop();
        if (callee->kind != Kind::name || arguments->kind != Kind::tuple)
          refuse("the object before byte {} is of no class", at_);
        PickleItem& object = push(Kind::object);
        object.callee = callee;
        object.arguments = arguments;
        break;
      }
      case 'b': {
        const PickleItem* const state = pop();
        PickleItem* const object = pop();
        if (object->kind != Kind::object) refuse("the state before byte {} belongs to no object", at_);
        object->state = state;
        stack_.push_back(object);
        break;
      }
      case '.':
        if (stack_.size() != 1 || !marks_.empty() || at_ != bytes_.size()) refuse("it does not end in one value");
        root_ = stack_.back();
        return;
      default:
        refuse("instruction {:#x} at byte {} is not known", instruction, at_ - 1);
    }
  }
}

// The state of an object made by `name` of some module that begins with `module`.
const std::vector<const PickleItem*>& Pickle::state_of(const PickleItem& item, std::string_view module,
                                                       std::string_view name, Kind kind) const {
  if (item.kind != Kind::object || !item.callee->text.starts_with(module) || !item.callee->text.ends_with(name))
    refuse("a {}.{} is expected", module, name.substr(1));
  if (item.state == nullptr || item.state->kind != kind) refuse("a {}.{} has no state", module, name.substr(1));
  return item.state->items;
}

PickleArray Pickle::array(const PickleItem& item) const {
  const auto& state = state_of(item, "numpy", "\n_reconstruct", Kind::tuple);
  if (state.size() != 5 || state[1]->kind != Kind::tuple || state[3]->kind != Kind::truth ||
      state[4]->kind != Kind::text)
    refuse("the state of an array has another form");
  const auto& order = state_of(*state[2], "numpy", "\ndtype", Kind::tuple);
  const auto& arguments = state[2]->arguments->items;
  if (arguments.empty() || order.size() < 2 || order[1]->text != "<") refuse("an array is not little-endian");
  const std::string_view type = arguments[0]->text;
  if (type != "i4" && type != "i8" && type != "f4" && type != "f8")
    refuse("an array holds other elements than i4, i8, f4 and f8");
  const std::size_t size = type[1] == '4' ? 4 : 8;
  const std::string_view raw = state[4]->text;
  PickleArray result;
  std::uint64_t count = 1;
  for (const PickleItem* axis : state[1]->items) {
    if (axis->kind != Kind::whole || axis->number < 0 ||
        __builtin_mul_overflow(count, std::uint64_t(axis->number), &count))
      refuse("the shape of an array is no shape");
    result.shape.push_back(axis->number);
  }
  if (raw.size() % size != 0 || raw.size() / size != count)
    refuse("an array has {} bytes for {} elements of {}", raw.size(), count, size);
  const bool fortran = state[3]->number != 0 && result.shape.size() > 1;
  if (fortran && result.shape.size() > 2) refuse("an array of more than two axes is in Fortran's order");
  result.values.resize(std::size_t(count));
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const auto read = [&]<class T>(T value) {
      std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
      return double(value);
    };
    const std::size_t rows = fortran ? std::size_t(result.shape[0]) : 1, columns = result.values.size() / rows;
    result.values[i % rows * columns + i / rows] = type == "i4"   ? read(std::int32_t{})
                                                   : type == "i8" ? read(std::int64_t{})
                                                   : type == "f4" ? read(float{})
                                                                  : read(double{});
  }
  return result;
}

PickleCsr Pickle::csr(const PickleItem& item) const {
  const auto& state = state_of(item, "scipy.sparse", "\ncsr_matrix", Kind::dictionary);
  const auto get = [&](std::string_view key) -> const PickleItem& {
    for (std::size_t i = 0; i < state.size(); i += 2)
      if (state[i]->kind == Kind::text && state[i]->text == key) return *state[i + 1];
    refuse("a sparse matrix has no {}", key);
  };
  const auto& shape = get("_shape").items;
  if (shape.size() != 2 || std::any_of(shape.begin(), shape.end(), [](const PickleItem* axis) {
        return axis->kind != Kind::whole || axis->number < 0;
      }))
    refuse("the shape of a sparse matrix is no shape");
  PickleCsr result{shape[0]->number, shape[1]->number, {}, {}, array(get("data")).values};
  const auto whole = [&](std::string_view key) {
    std::vector<Index> numbers;
    for (const double value : array(get(key)).values) {
      if (!(value >= 0 && value < 0x1p53)) refuse("the {} of a sparse matrix have a {}", key, value);
      numbers.push_back(Index(value));
    }
    return numbers;
  };
  result.starts = whole("indptr");
  result.indices = whole("indices");
  const Index entries = Index(result.values.size());
  if (Index(result.starts.size()) != result.rows + 1 || result.starts.front() != 0 || result.starts.back() != entries ||
      !std::is_sorted(result.starts.begin(), result.starts.end()) || Index(result.indices.size()) != entries ||
      std::any_of(result.indices.begin(), result.indices.end(),
                  [&](Index column) { return column < 0 || column >= result.columns; }))
    refuse("the rows of a sparse matrix do not fit together");
  return result;
}

}  // namespace gradus::data

#include "gradus/ops/shape.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/movement.hpp"
#include "gradus/ops/middle.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus {

using autograd::attach;
using autograd::Grads;
using autograd::is_recording;
using autograd::Node;
using autograd::record;
using autograd::Step;

namespace {

Tensor take(const char* operation, const Tensor& x, std::size_t axis, Index start, Index step, Index count);

// The gradient of take: the elements go back to their places among zeros.
Tensor put(const char* operation, const Tensor& x, const Shape& shape, std::size_t axis, Index start, Index step) {
  Tensor value = Tensor::make(operation, shape, x.dtype()).zero_();
  const Middle to(shape, axis);
  const Index count = x.shape()[axis];
  dispatch(x.dtype(), [&]<class T> {
    kernels::put_slice(x.data<T>(), value.data<T>(), to.outer, to.n, to.inner, start, step, count);
  });
  return record(operation, std::move(value), {x},
                [=](const Tensor& g) { return Grads{take(operation, g, axis, start, step, count)}; });
}

Tensor take(const char* operation, const Tensor& x, std::size_t axis, Index start, Index step, Index count) {
  Shape shape = x.shape();
  shape[axis] = count;
  Tensor value = Tensor::make(operation, shape, x.dtype());
  const Middle from(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T> {
    kernels::take_slice(x.data<T>(), value.data<T>(), from.outer, from.n, from.inner, start, step, count);
  });
  return record(operation, std::move(value), {x},
                [operation, whole = x.shape(), axis, start, step](const Tensor& g, const Step& backward) {
                  const Tensor* sum = backward.sum(0);
                  if (sum == nullptr) return Grads{put(operation, g, whole, axis, start, step)};
                  const Middle to(whole, axis);
                  dispatch(g.dtype(), [&]<class T> {
                    kernels::add_slice(g.data<T>(), sum->data<T>(), to.outer, to.n, to.inner, start, step,
                                       g.shape()[axis]);
                  });
                  return Grads(1);
                });
}

// Taking a tensor apart into n parts, an operation of several results. If each part sent its gradient to x on its own, as take does,
// n arrays of x's size would be filled. So between the parts and x there is one node, Whole, that stands for all of them. In a
// backward pass each part hands its gradient to Whole and sends an empty tensor along the tape, which only calls for Whole's turn.
// That comes after all parts', as it was recorded before them; then one cat, differentiable as any, joins what was handed over.
class Whole final : public Node {
 public:
  Whole(const char* operation, const Tensor& token, const Tensor& x, std::size_t axis, const std::vector<Index>& sizes)
      : Node(operation, token), whole_(x.shape()), axis_(axis), sizes_(sizes), parts_(sizes.size()) {}

  // What an earlier pass left when it was cut off by an error must not enter a later one.
  void hand_over(std::uint64_t pass, std::size_t part, const Tensor& gradient) {
    if (pass_ != pass) std::fill(parts_.begin(), parts_.end(), Tensor{});
    pass_ = pass;
    parts_[part] = gradient;
  }

  Grads apply(const Tensor& /*token*/, const Step&) override {
    if (freed_) autograd::fail_freed(*this);
    std::vector<Tensor> parts(sizes_.size());
    parts.swap(parts_);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      Shape shape = whole_;
      shape[axis_] = sizes_[i];
      parts[i] = parts[i].defined() ? reshape(parts[i], shape) : Tensor::make(operation(), shape, dtype()).zero_();
    }
    return {cat(parts, Index(axis_))};
  }
  void free() override { freed_ = true; }
  bool freed() const override { return freed_; }
  std::size_t bytes_held() const override { return 0; }

 private:
  Shape whole_;
  std::size_t axis_;
  std::vector<Index> sizes_;
  std::vector<Tensor> parts_;  // filled during a pass only
  std::uint64_t pass_ = 0;
  bool freed_ = false;
};

class Part final : public Node {
 public:
  Part(const char* operation, const Tensor& value, std::size_t number, const Tensor& token)
      : Node(operation, value), number_(number), token_(token.detach()) {}

  Grads apply(const Tensor& gradient, const Step&) override {
    if (freed_) autograd::fail_freed(*this);
    static_cast<Whole&>(*inputs[0]).hand_over(notes.pass, number_, gradient);
    return {token_};
  }
  void free() override { freed_ = true; }
  bool freed() const override { return freed_; }
  std::size_t bytes_held() const override { return 0; }

 private:
  std::size_t number_;
  Tensor token_;
  bool freed_ = false;
};

// The parts of the given sizes, one after the other; with keep_axis false, which takes sizes of 1, without the axis.
std::vector<Tensor> take_apart(const char* operation, const Tensor& x, std::size_t axis, const std::vector<Index>& sizes,
                               bool keep_axis) {
  const bool recorded = is_recording() && x.requires_grad();
  Tensor token;
  if (recorded) {
    token = Tensor::make(operation, {0}, x.dtype());
    attach(token, new Whole(operation, token, x, axis, sizes), {x});
  }
  const Middle from(x.shape(), axis);
  std::vector<Tensor> parts;
  parts.reserve(sizes.size());
  Index start = 0;
  for (const Index size : sizes) {
    Shape shape = x.shape();
    shape[axis] = size;
    if (!keep_axis) shape.erase(axis);
    Tensor part = Tensor::make(operation, shape, x.dtype());
    dispatch(x.dtype(), [&]<class T> {
      kernels::take_slice(x.data<T>(), part.data<T>(), from.outer, from.n, from.inner, start, 1, size);
    });
    if (recorded) attach(part, new Part(operation, part, parts.size(), token), {token});
    if (autograd::observers != nullptr) [[unlikely]]
      autograd::observe(operation, part, {x});
    parts.push_back(std::move(part));
    start += size;
  }
  return parts;
}

constexpr Index largest_extent = std::numeric_limits<Index>::max() / 16;  // as in Tensor::make

}  // namespace

Tensor reshape(const Tensor& x, const Shape& wanted) {
  Shape shape = wanted;
  Index known = 1, extent = 1;
  std::size_t open = shape.size();
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == -1 && open == shape.size())
      open = axis;
    else if (shape[axis] < 0)
      failf("reshape", "shape {} has {}; only sizes of at least 0 and a single -1 are possible", wanted,
            shape[axis] == -1 ? "more than one -1" : fmt::format("size {}", shape[axis]));
    else if (__builtin_mul_overflow(extent, std::max<Index>(shape[axis], 1), &extent) || extent > largest_extent)
      failf("reshape", "a tensor of shape {} is too large for any memory", wanted);
    else
      known *= shape[axis];
  }
  if (open < shape.size()) {
    if (known == 0 || x.numel() % known != 0)
      failf("reshape", "a tensor of shape {} has {} elements, which no size for the -1 in {} can hold", x.shape(), x.numel(), wanted);
    shape[open] = x.numel() / known;
  }
  if (shape.numel() != x.numel())
    failf("reshape", "a tensor of shape {} has {} elements, but shape {} holds {}", x.shape(), x.numel(), shape, shape.numel());
  return record("reshape", x.alias(shape), {x}, [from = x.shape()](const Tensor& g) { return Grads{reshape(g, from)}; });
}

Tensor flatten(const Tensor& x, Index first, Index last) {
  if (x.dim() == 0) return reshape(x, {1});
  const std::size_t a = normalize_axis("flatten", first, x.shape()), b = normalize_axis("flatten", last, x.shape());
  if (a > b) failf("flatten", "axis {} comes after axis {} in a tensor of shape {}", first, last, x.shape());
  Shape shape;
  for (std::size_t axis = 0; axis < x.shape().size(); ++axis) {
    if (axis <= a || axis > b)
      shape.push_back(x.shape()[axis]);
    else
      shape[a] *= x.shape()[axis];
  }
  return reshape(x, shape);
}

Tensor squeeze(const Tensor& x, Index axis) {
  const std::size_t a = normalize_axis("squeeze", axis, x.shape());
  if (x.shape()[a] != 1) failf("squeeze", "axis {} of shape {} has size {}, not 1", axis, x.shape(), x.shape()[a]);
  Shape shape = x.shape();
  shape.erase(a);
  return reshape(x, shape);
}

Tensor unsqueeze(const Tensor& x, Index axis) {
  Shape shape = x.shape();
  shape.push_back(1);
  const std::size_t a = normalize_axis("unsqueeze", axis, shape);
  shape = x.shape();
  shape.insert(a, 1);
  return reshape(x, shape);
}

Tensor permute(const Tensor& x, const std::vector<Index>& axes) {
  if (axes.size() != x.shape().size())
    failf("permute", "{} axes are named, but a tensor of shape {} has {}", axes.size(), x.shape(), x.dim());
  std::vector<std::size_t> order(axes.size());
  std::vector<Index> back(axes.size(), -1);
  Shape shape = x.shape();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    order[i] = normalize_axis("permute", axes[i], x.shape());
    if (back[order[i]] != -1) failf("permute", "axis {} is named twice", axes[i]);
    back[order[i]] = Index(i);
    shape[i] = x.shape()[order[i]];
  }
  Tensor value = Tensor::make("permute", shape, x.dtype());
  dispatch(x.dtype(), [&]<class T> { kernels::permute(x.data<T>(), x.shape(), order, value.data<T>()); });
  return record("permute", std::move(value), {x}, [back](const Tensor& g) { return Grads{permute(g, back)}; });
}

Tensor transpose(const Tensor& x, Index axis0, Index axis1) {
  std::vector<Index> axes(x.shape().size());
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[normalize_axis("transpose", axis0, x.shape())], axes[normalize_axis("transpose", axis1, x.shape())]);
  return permute(x, axes);
}

Tensor slice(const Tensor& x, Index axis, Index start, Index stop, Index step) {
  const std::size_t a = normalize_axis("slice", axis, x.shape());
  if (step < 1) failf("slice", "step {} is not positive; use flip to go backwards", step);
  const Index n = x.shape()[a];
  const auto place = [n](Index p) { return std::clamp<Index>(p < 0 ? p + n : p, 0, n); };
  const Index first = place(start), last = std::max(place(stop), first);
  return take("slice", x, a, first, step, last == first ? 0 : (last - first - 1) / step + 1);
}

Tensor select(const Tensor& x, Index axis, Index index) {
  const std::size_t a = normalize_axis("select", axis, x.shape());
  const Index n = x.shape()[a];
  if (index < -n || index >= n)
    failf("select", "index {} is out of range for axis {} of shape {}", index, axis, x.shape());
  Shape shape = x.shape();
  shape.erase(a);
  return reshape(take("select", x, a, index < 0 ? index + n : index, 1, 1), shape);
}

Tensor flip(const Tensor& x, const std::vector<Index>& axes) {
  Tensor result = x;
  for (const Index axis : axes) {
    const std::size_t a = normalize_axis("flip", axis, x.shape());
    const Index n = x.shape()[a];
    if (n > 1) result = take("flip", result, a, n - 1, -1, n);
  }
  return result;
}

Tensor cat(const std::vector<Tensor>& tensors, Index axis) {
  if (tensors.empty()) fail("cat", "needs at least one tensor");
  Shape shape = tensors[0].shape();
  const std::size_t a = normalize_axis("cat", axis, shape);
  shape[a] = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    check_same_dtype("cat", tensors[0], tensors[i]);
    Shape other = tensors[i].shape();
    const Index size = other.size() == shape.size() ? other[a] : 0;
    if (other.size() == shape.size()) other[a] = shape[a];
    if (other != shape)
      failf("cat", "tensor {} has shape {}, which differs from shape {} of the first beyond axis {}", i, tensors[i].shape(),
            tensors[0].shape(), axis);
    shape[a] += size;
  }
  Tensor value = Tensor::make("cat", shape, tensors[0].dtype());
  const Middle to(shape, a);
  std::vector<Index> sizes;
  Index start = 0;
  for (const Tensor& part : tensors) {
    const Index size = part.shape()[a];
    dispatch(value.dtype(), [&]<class T> {
      kernels::put_slice(part.data<T>(), value.data<T>(), to.outer, to.n, to.inner, start, 1, size);
    });
    sizes.push_back(size);
    start += size;
  }
  return record("cat", std::move(value), std::span(tensors), [sizes, a](const Tensor& g, const Step& step) {
    Grads grads(sizes.size());
    if (is_recording()) {
      const std::vector<Tensor> parts = take_apart("cat", g, a, sizes, true);
      std::copy(parts.begin(), parts.end(), grads.begin());
      return grads;
    }
    Index from = 0;
    for (std::size_t i = 0; i < sizes.size(); from += sizes[i++])
      if (step.needs(i)) grads[i] = take("cat", g, a, from, 1, sizes[i]);
    return grads;
  });
}

Tensor stack(const std::vector<Tensor>& tensors, Index axis) {
  if (tensors.empty()) fail("stack", "needs at least one tensor");
  std::vector<Tensor> parts;
  for (const Tensor& tensor : tensors) {
    if (tensor.shape() != tensors[0].shape())
      failf("stack", "shapes {} and {} differ", tensors[0].shape(), tensor.shape());
    parts.push_back(unsqueeze(tensor, axis));
  }
  return cat(parts, axis);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<Index>& sizes, Index axis) {
  const std::size_t a = normalize_axis("split", axis, x.shape());
  Index total = 0;
  for (const Index size : sizes) {
    if (size < 0) failf("split", "size {} is negative", size);
    total += size;
  }
  if (total != x.shape()[a])
    failf("split", "the sizes add up to {}, but axis {} of shape {} has {}", total, axis, x.shape(), x.shape()[a]);
  return take_apart("split", x, a, sizes, true);
}

std::vector<Tensor> unbind(const Tensor& x, Index axis) {
  const std::size_t a = normalize_axis("unbind", axis, x.shape());
  return take_apart("unbind", x, a, std::vector<Index>(std::size_t(x.shape()[a]), 1), false);
}

std::vector<Tensor> chunk(const Tensor& x, Index count, Index axis) {
  if (count < 1) failf("chunk", "{} parts; at least 1 is needed", count);
  const Index n = x.size(axis), size = n == 0 ? 1 : (n - 1) / count + 1;
  std::vector<Index> sizes;
  for (Index left = n; left > 0; left -= size) sizes.push_back(std::min(size, left));
  if (sizes.empty()) sizes.push_back(0);
  return split(x, sizes, axis);
}

Tensor repeat(const Tensor& x, const std::vector<Index>& repeats) {
  if (repeats.size() < x.shape().size())
    failf("repeat", "{} repeats for a tensor of shape {}; each axis needs one", repeats.size(), x.shape());
  // (r0, n0, r1, n1, ...): expand the r, then merge each pair. Axes that need no repeating are left out of it.
  Tensor result = x;
  while (result.shape().size() < repeats.size()) result = unsqueeze(result, 0);
  for (std::size_t a = 0; a < repeats.size(); ++a) {
    if (repeats[a] < 0) failf("repeat", "{} repeats along axis {}", repeats[a], a);
    if (repeats[a] == 1) continue;
    Shape merged = result.shape();
    merged[a] *= repeats[a];
    Shape three{result.shape().product(0, a), 1, result.shape().product(a, result.shape().size())};
    Shape more{three[0], repeats[a], three[2]};
    result = reshape(expand(reshape(result, three), more), merged);
  }
  return result;
}

Tensor pad(const Tensor& x, const std::vector<Index>& padding, double value) {
  if (padding.size() % 2 != 0 || padding.size() / 2 > x.shape().size())
    failf("pad", "{} amounts for a tensor of shape {}; two for each padded axis are needed", padding.size(), x.shape());
  Tensor result = x;
  for (std::size_t i = 0; i < padding.size() / 2; ++i) {
    const std::size_t a = x.shape().size() - 1 - i;
    const Index before = padding[2 * i], after = padding[2 * i + 1], n = result.shape()[a];
    if (n + std::min<Index>(before, 0) + std::min<Index>(after, 0) < 0)
      failf("pad", "cutting {} and {} off axis {} of shape {} leaves less than nothing", -before, -after, a, x.shape());
    const Index cut_before = std::max<Index>(-before, 0), cut_after = std::max<Index>(-after, 0);
    if (cut_before + cut_after > 0) result = take("pad", result, a, cut_before, 1, n - cut_before - cut_after);
    std::vector<Tensor> parts;
    const auto border = [&](Index amount) {
      if (amount <= 0) return;
      Shape shape = result.shape();
      shape[a] = amount;
      parts.push_back(full(shape, value, {.dtype = x.dtype()}));
    };
    border(before);
    parts.push_back(result);
    border(after);
    if (parts.size() > 1) result = cat(parts, Index(a));
  }
  return result;
}

}  // namespace gradus

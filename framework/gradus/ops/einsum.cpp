// Einstein's notation, mapped to permute, reshape and one batched matmul.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "gradus/core/format.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/index.hpp"
#include "gradus/ops/linalg.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"

namespace gradus {
namespace {

bool is_label(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool has(std::string_view labels, char c) { return labels.find(c) != std::string_view::npos; }

struct Equation {
  std::vector<std::string> inputs;
  std::string output;
};

Equation parse(const std::string& text) {
  std::string equation;
  std::copy_if(text.begin(), text.end(), std::back_inserter(equation), [](char c) { return c != ' '; });
  const std::size_t arrow = equation.find("->");
  const std::string left = equation.substr(0, arrow);
  Equation result{{""}, ""};
  for (const char c : left) {
    if (c == ',')
      result.inputs.emplace_back();
    else if (is_label(c))
      result.inputs.back() += c;
    else
      failf("einsum", "\"{}\": '{}' is no label; labels are letters, operands are parted by ','", text, c);
  }
  if (arrow == std::string::npos) {
    for (const char c : left)
      if (is_label(c) && std::count(left.begin(), left.end(), c) == 1) result.output += c;
    std::sort(result.output.begin(), result.output.end());
    return result;
  }
  for (const char c : equation.substr(arrow + 2)) {
    if (!is_label(c)) failf("einsum", "\"{}\": '{}' is no label of a result", text, c);
    if (!has(left, c)) failf("einsum", "\"{}\": label '{}' of the result is in no operand", text, c);
    if (has(result.output, c)) failf("einsum", "\"{}\": label '{}' comes twice in the result", text, c);
    result.output += c;
  }
  return result;
}

// A tensor with a label for each axis.
struct Labelled {
  Tensor x;
  std::string labels;

  Index size(char label) const { return x.shape()[labels.find(label)]; }

  // A label that comes twice walks along the diagonal.
  void merge_repeated() {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::size_t j = labels.find(labels[i], i + 1);
      if (j == std::string::npos) continue;
      x = diagonal(x, 0, Index(i), Index(j));
      const char label = labels[i];
      labels.erase(j, 1);
      labels.erase(i, 1);
      labels += label;
      i = std::size_t(-1);
    }
  }

  void sum_all_but(std::string_view wanted) {
    ReduceOptions options;
    std::string rest;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (has(wanted, labels[i]))
        rest += labels[i];
      else
        options.axes.push_back(Index(i));
    }
    if (options.axes.empty()) return;
    x = sum(x, options);
    labels = rest;
  }

  Tensor arranged(std::string_view wanted) const {
    if (labels == wanted) return x;
    std::vector<Index> axes;
    for (const char label : wanted) axes.push_back(Index(labels.find(label)));
    return permute(x, axes);
  }
};

// x as a batch of matrices (batch, rows, columns), or its transpose if that is how the numbers lie already.
Tensor matrices(const Labelled& x, const std::string& batch, const std::string& rows, const std::string& columns,
                std::array<Index, 3> sizes, bool& transposed) {
  transposed = x.labels == batch + columns + rows && x.labels != batch + rows + columns;
  if (transposed) return x.x.reshape({sizes[0], sizes[2], sizes[1]});
  return x.arranged(batch + rows + columns).reshape({sizes[0], sizes[1], sizes[2]});
}

}  // namespace

Tensor einsum(const std::string& text, const std::vector<Tensor>& operands) {
  const Equation equation = parse(text);
  if (operands.empty() || operands.size() > 2) failf("einsum", "{} operands; one or two are possible", operands.size());
  if (equation.inputs.size() != operands.size())
    failf("einsum", "\"{}\" describes {} operands, but {} are given", text, equation.inputs.size(), operands.size());
  std::array<Index, 128> sizes;
  sizes.fill(-1);
  std::vector<Labelled> terms;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    check_same_dtype("einsum", operands[0], operands[i]);
    const std::string& labels = equation.inputs[i];
    const Shape& shape = operands[i].shape();
    if (labels.size() != shape.size())
      failf("einsum", "\"{}\": operand {} has labels \"{}\" for {} axes, but its shape is {}", text, i, labels,
            labels.size(), shape);
    for (std::size_t a = 0; a < shape.size(); ++a) {
      Index& size = sizes[std::size_t(labels[a])];
      if (size >= 0 && size != shape[a])
        failf("einsum", "\"{}\": label '{}' has size {} in operand {} of shape {}, but {} before", text, labels[a],
              shape[a], i, shape, size);
      size = shape[a];
    }
    terms.push_back({operands[i], labels});
    terms.back().merge_repeated();
  }
  if (terms.size() == 1) {
    terms[0].sum_all_but(equation.output);
    return terms[0].arranged(equation.output);
  }
  Labelled &a = terms[0], &b = terms[1];
  // What only one operand has and the result has not is summed beforehand.
  a.sum_all_but(b.labels + equation.output);
  b.sum_all_but(a.labels + equation.output);
  std::string batch, summed, rows, columns;
  Index batch_size = 1, summed_size = 1, row_count = 1, column_count = 1;
  for (const char label : a.labels) {
    const bool shared = has(b.labels, label), kept = has(equation.output, label);
    (shared ? kept ? batch : summed : rows) += label;
    (shared ? kept ? batch_size : summed_size : row_count) *= a.size(label);
  }
  for (const char label : b.labels)
    if (!has(a.labels, label)) {
      columns += label;
      column_count *= b.size(label);
    }
  Tensor product;
  if (summed.empty()) {
    product = a.arranged(batch + rows).reshape({batch_size, row_count, 1}) *
              b.arranged(batch + columns).reshape({batch_size, 1, column_count});
  } else {
    check_floating("einsum", a.x);
    MatmulOptions options;
    const Tensor left = matrices(a, batch, rows, summed, {batch_size, row_count, summed_size}, options.transpose_a);
    const Tensor right =
        matrices(b, batch, summed, columns, {batch_size, summed_size, column_count}, options.transpose_b);
    if (batch.empty())
      product = matmul(left.reshape({left.shape()[1], left.shape()[2]}),
                       right.reshape({right.shape()[1], right.shape()[2]}), options);
    else
      product = matmul(left, right, options);
  }
  Labelled result{{}, batch + rows + columns};
  Shape shape;
  for (const char label : result.labels) shape.push_back(sizes[std::size_t(label)]);
  result.x = product.reshape(shape);
  return result.arranged(equation.output);
}

}  // namespace gradus

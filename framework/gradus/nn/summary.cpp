#include "gradus/nn/summary.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/nn/attention.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/eval_mode.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

struct Modules final : Visitor {
  std::vector<std::pair<Module*, std::string>> found;
  void on_module(const std::string& path, Module& module) override { found.emplace_back(&module, path); }
};

std::vector<std::pair<Module*, std::string>> inside(Module& module) {
  Modules modules;
  module.visit(modules);
  return std::move(modules.found);
}

// Each element of the output of a convolution is a sum over one filter, each element of the input of a transposed one
// goes into a product with one.
Index multiply_adds(const Module& module, const std::vector<Tensor>& inputs, const Tensor& output) {
  const auto per_first_axis = [](const Tensor& weight) { return weight.shape().product(1, weight.shape().size()); };
  if (const auto* linear = dynamic_cast<const Linear*>(&module)) return output.numel() * per_first_axis(linear->weight);
  if (const auto* conv = dynamic_cast<const Conv2d*>(&module)) return output.numel() * per_first_axis(conv->weight);
  if (const auto* conv = dynamic_cast<const Conv1d*>(&module)) return output.numel() * per_first_axis(conv->weight);
  if (const auto* conv = dynamic_cast<const ConvTranspose2d*>(&module))
    return inputs[0].numel() * per_first_axis(conv->weight);
  if (dynamic_cast<const MultiheadAttention*>(&module) != nullptr) {
    const Tensor &query = inputs.front(), &key = inputs.size() > 1 ? inputs[1] : query;
    const Index width = query.size(2);
    const Index projections = (query.numel() + 2 * key.numel()) * width;
    // In each of h heads, `length` times `keys` products of width / h numbers; for the scores and for the sums.
    return projections + 2 * query.numel() * key.size(1);
  }
  return 0;
}

class Recorder final : public CallObserver {
 public:
  Recorder(Module& model, const Tensor& input, Summary& result) : result_(result) {
    blocks_.insert(input.raw_data());
    auto modules = inside(model);
    modules.emplace_back(&model, "");
    for (const auto& [module, path] : modules) {
      paths_.try_emplace(module, path);
      std::vector<Tensor>& own = own_[module];
      if (!own.empty()) continue;
      std::unordered_set<const TensorImpl*> of_others;
      for (const auto& [child, name] : inside(*module))
        for (const Tensor& parameter : child->parameters()) of_others.insert(parameter.impl());
      for (const Tensor& parameter : module->parameters())
        if (!of_others.contains(parameter.impl())) own.push_back(parameter);
    }
  }

  void on_call(Module& module) override {
    SummaryRow row{.depth = int(calls_.size()),
                   .name = name_of(module),
                   .type = module.type_name(),
                   .output = {},
                   .parameters = 0,
                   .multiply_adds = 0,
                   .bytes = 0};
    if (const auto own = own_.find(&module); own != own_.end())
      for (const Tensor& parameter : own->second)
        if (counted_.insert(parameter.impl()).second) row.parameters += parameter.numel();
    calls_.push_back({&module, result_.rows.size()});
    result_.rows.push_back(std::move(row));
  }

  void on_return(Module& module, const std::vector<Tensor>& inputs, const Tensor& output) override {
    SummaryRow& row = result_.rows[calls_.back().row];
    calls_.pop_back();
    row.output = output.shape();
    row.multiply_adds = multiply_adds(module, inputs, output);
    // Whoever is kept does not give its address to another.
    if (blocks_.insert(output.raw_data()).second) row.bytes = output.numel() * Index(size_of(output.dtype()));
    kept_.push_back(output);
    result_.multiply_adds += row.multiply_adds;
    result_.activation_bytes += row.bytes;
  }

 private:
  struct Call {
    Module* module;
    std::size_t row;
  };

  std::string name_of(const Module& module) const {
    if (calls_.empty()) return "model";
    const auto path = paths_.find(&module);
    if (path == paths_.end()) return "?";
    const auto caller = paths_.find(calls_.back().module);
    if (caller == paths_.end() || caller->second.empty()) return path->second.empty() ? "-" : path->second;
    const std::string& before = caller->second;
    if (path->second == before) return "-";
    return path->second.starts_with(before + '.') ? path->second.substr(before.size() + 1) : path->second;
  }

  Summary& result_;
  std::unordered_map<const Module*, std::string> paths_;
  std::unordered_map<const Module*, std::vector<Tensor>> own_;
  std::unordered_set<const TensorImpl*> counted_;
  std::unordered_set<const void*> blocks_;
  std::vector<Tensor> kept_;
  std::vector<Call> calls_;
};

// 61706 -> "61,706"; 0 -> "-".
std::string grouped(Index number) {
  if (number == 0) return "-";
  std::string digits = std::to_string(number);
  for (auto place = std::ptrdiff_t(digits.size()) - 3; place > 0; place -= 3) digits.insert(std::size_t(place), 1, ',');
  return digits;
}

std::string in_bytes(Index bytes) {
  if (bytes == 0) return "-";
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = double(bytes) / 1024;
  constexpr std::array units = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < units.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace

Summary summary(Module& model, const Shape& input, const SummaryOptions& options) {
  const std::vector<Tensor> parameters = model.parameters();
  const DType dtype = options.dtype.value_or(parameters.empty() ? float32 : parameters.front().dtype());
  Summary result;
  result.input = input;
  for (const Tensor& parameter : parameters) {
    result.parameters += parameter.numel();
    if (parameter.requires_grad()) result.trainable += parameter.numel();
  }
  const NoGrad no_grad;
  const EvalMode eval(model);
  const Tensor x = zeros(input, {.dtype = dtype});
  Recorder recorder(model, x, result);
  (void)model(x);
  return result;
}

std::string Summary::text() const {
  constexpr std::size_t columns = 6;
  using Line = std::array<std::string, columns>;
  std::vector<Line> lines{{"layer", "type", "output", "parameters", "multiply-adds", "activations"}};
  Index called = 0;
  for (const SummaryRow& row : rows) {
    called += row.parameters;
    lines.push_back({std::string(std::size_t(2 * row.depth), ' ') + row.name, row.type, to_string(row.output),
                     grouped(row.parameters), grouped(row.multiply_adds), in_bytes(row.bytes)});
  }
  if (called != parameters) lines.push_back({"(not called)", "", "", grouped(parameters - called), "-", "-"});
  lines.push_back({"total", "", "", grouped(parameters), grouped(multiply_adds), in_bytes(activation_bytes)});
  std::array<std::size_t, columns> widths{};
  for (const Line& line : lines)
    for (std::size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], line[i].size());
  std::string result;
  for (std::size_t n = 0; n < lines.size(); ++n) {
    std::string line;
    for (std::size_t i = 0; i < columns; ++i)
      line += i < 3 ? fmt::format("{:<{}}  ", lines[n][i], widths[i])
                    : fmt::format("{:>{}}{}", lines[n][i], widths[i], i + 1 < columns ? "  " : "");
    const std::string rule(line.size(), '-');
    if (n + 1 == lines.size()) result += rule + '\n';
    result += line + '\n';
    if (n == 0) result += rule + '\n';
  }
  result += fmt::format("input {}", input);
  if (trainable != parameters) result += fmt::format(", {} of the parameters frozen", grouped(parameters - trainable));
  return result + '\n';
}

}  // namespace gradus::nn

#include "gradus/autograd/tape.hpp"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "gradus/autograd/node.hpp"
#include "gradus/core/format.hpp"

namespace gradus::autograd {
namespace {

std::vector<const Node*> nodes_of(const Tensor& root) {
  std::vector<const Node*> nodes, stack;
  std::unordered_set<const Node*> seen;
  const auto reach = [&](const NodePtr& node) {
    if (node && seen.insert(node.get()).second) {
      nodes.push_back(node.get());
      stack.push_back(node.get());
    }
  };
  if (root.defined()) reach(root.node());
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    for (const NodePtr& input : node->inputs) reach(input);
  }
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->number() < b->number(); });
  return nodes;
}

std::string inputs_of(const Node& node) {
  std::string text;
  for (const NodePtr& input : node.inputs) {
    if (!text.empty()) text += ' ';
    text += input ? fmt::format("{}", input->number()) : "-";
  }
  return text;
}

std::string held(const Node& node) {
  return node.is_leaf() ? "" : node.freed() ? "freed" : fmt::format("{}", node.bytes_held());
}

}  // namespace

std::string tape_table(const Tensor& root) {
  const std::vector<const Node*> nodes = nodes_of(root);
  std::string text = fmt::format("{:>8}  {:<16} {:<24} {:<16} {:>12} {:>10}\n", "number", "operation", "output", "inputs",
                                 "bytes held", "time");
  std::size_t bytes = 0;
  double seconds = 0;
  for (const Node* node : nodes) {
    bytes += node->freed() ? 0 : node->bytes_held();
    seconds += double(node->seconds);
    text += fmt::format("{:>8}  {:<16} {:<24} {:<16} {:>12} {:>10}\n", node->number(), node->operation(),
                        fmt::format("{} {}", node->dtype(), node->shape()), inputs_of(*node), held(*node),
                        node->seconds > 0 ? fmt::format("{:.1f} us", double(node->seconds) * 1e6) : "");
  }
  text += fmt::format("{} nodes, {} bytes held", nodes.size(), bytes);
  if (seconds > 0) text += fmt::format(", {:.1f} us", seconds * 1e6);
  return text + '\n';
}

std::string tape_graphviz(const Tensor& root) {
  std::string text = "digraph tape {\n  rankdir=BT;\n  node [fontname=\"sans-serif\", fontsize=11];\n";
  for (const Node* node : nodes_of(root)) {
    text += fmt::format("  n{} [label=\"{}\\n{}\", shape={}];\n", node->number(), node->operation(), node->shape(),
                        node->is_leaf() ? "ellipse" : "box");
    for (const NodePtr& input : node->inputs)
      if (input) text += fmt::format("  n{} -> n{};\n", input->number(), node->number());
  }
  return text + "}\n";
}

std::size_t tape_size(const Tensor& root) { return nodes_of(root).size(); }

}  // namespace gradus::autograd

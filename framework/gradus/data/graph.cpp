#include "gradus/data/graph.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <string_view>
#include <unordered_map>

#include "gradus/core/format.hpp"
#include "gradus/data/byte_reader.hpp"
#include "gradus/data/npz.hpp"
#include "gradus/data/pickle.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::data {
namespace {

constexpr std::uint64_t most_text = std::uint64_t{1} << 31;
constexpr Index most_elements = Index{1} << 28;  // of a feature matrix that a short text announces

constexpr std::size_t most_edges = 1 << 25;  // of a pickle: more do not fit into one, unless lists stand for many nodes

std::string in_quotes(std::string_view text) {
  constexpr std::size_t most = 40;
  return fmt::format("'{}{}'", text.substr(0, most), text.size() > most ? "..." : "");
}

// A text file line by line, each cut at tabs. Empty lines are passed over.
class Lines {
 public:
  Lines(const char* operation, std::string path)
      : operation_(operation), path_(std::move(path)), text_(read_text(operation, path_, most_text)), rest_(text_) {}
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  bool next(std::vector<std::string_view>& fields) {
    std::string_view line;
    do {
      if (rest_.empty()) return false;
      const std::size_t end = rest_.find('\n');
      line = rest_.substr(0, end);
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      ++number_;
    } while (line.empty());
    cut(line, '\t', fields);
    return true;
  }

  static void cut(std::string_view text, char at, std::vector<std::string_view>& parts) {
    parts.clear();
    for (;;) {
      const std::size_t end = text.find(at);
      parts.push_back(text.substr(0, end));
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
    }
  }

  template <class... A>
  [[noreturn]] void refuse(fmt::format_string<A...> text, A&&... values) const {
    failf(operation_, "{}, line {}: {}", path_, number_, fmt::format(text, std::forward<A>(values)...));
  }

  Index whole(std::string_view text, const char* what) const {
    Index value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0)
      refuse("{} is no {}; a whole number from 0 is expected", in_quotes(text), what);
    return value;
  }

  float number(std::string_view text) const {
    float value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
      refuse("{} is no feature; a finite number is expected", in_quotes(text));
    return value;
  }

 private:
  const char* operation_;
  std::string path_, text_;
  std::string_view rest_;
  Index number_ = 0;
};

std::string file_in(const char* operation, const std::string& root, const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(root) / name;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    failf(operation, "there is no {} in {}; the argument is the folder that the files are in", name, root);
  return path.string();
}

Tensor edge_tensor(const std::vector<Index>& ends) { return from_vector(ends, {Index(ends.size() / 2), 2}); }

Tensor nodes_of(const char* what, const Graph& graph, const Tensor& masks, Index split) {
  if (split < 0 || split >= graph.splits())
    failf(what, "there is no split {}: {} has {}", split, graph.name.empty() ? "the graph" : graph.name,
          graph.splits());
  const Index n = masks.size(1);
  const std::int64_t* mask = masks.data<std::int64_t>() + split * n;
  std::vector<Index> nodes;
  for (Index i = 0; i < n; ++i)
    if (mask[i] != 0) nodes.push_back(i);
  return from_vector(nodes);
}

void check_masks(const char* operation, const std::string& where, const Graph& graph) {
  const std::pair<const char*, const Tensor*> all[] = {
      {"train", &graph.train_mask}, {"validation", &graph.validation_mask}, {"test", &graph.test_mask}};
  if (std::none_of(std::begin(all), std::end(all), [](const auto& mask) { return mask.second->defined(); })) return;
  const Index n = graph.nodes();
  for (const auto& [name, mask] : all) {
    if (!mask->defined()) failf(operation, "{}: there is no {} mask, but another one", where, name);
    if (mask->dtype() != int64 || mask->dim() != 2 || mask->size(1) != n || mask->size(0) != graph.train_mask.size(0))
      failf(operation,
            "{}: the {} mask is {} {}; int64 (splits, nodes) with {} nodes is expected, as many splits in each", where,
            name, mask->dtype(), mask->shape(), n);
  }
  for (Index i = 0; i < graph.train_mask.numel(); ++i) {
    Index memberships = 0;
    for (const auto& [name, mask] : all) {
      const std::int64_t value = mask->data<std::int64_t>()[i];
      if (value != 0 && value != 1)
        failf(operation, "{}: the {} mask of split {} has {} for node {}; 0 and 1 are possible", where, name, i / n,
              value, i % n);
      memberships += value;
    }
    if (memberships > 1) failf(operation, "{}: node {} is in two masks of split {}", where, i % n, i / n);
  }
}

const Tensor& array(const char* operation, const std::string& path, const NamedTensors& arrays, const char* name) {
  for (const auto& [key, value] : arrays)
    if (key == name) return value;
  failf(operation, "{}: there is no array \"{}\"", path, name);
}

}  // namespace

Index Graph::num_classes() const {
  if (!class_names.empty()) return Index(class_names.size());
  const std::int64_t* labels = y.data<std::int64_t>();
  return y.numel() == 0 ? 0 : *std::max_element(labels, labels + y.numel()) + 1;
}

Tensor Graph::train_nodes(Index split) const { return nodes_of("train_nodes", *this, train_mask, split); }
Tensor Graph::validation_nodes(Index split) const {
  return nodes_of("validation_nodes", *this, validation_mask, split);
}
Tensor Graph::test_nodes(Index split) const { return nodes_of("test_nodes", *this, test_mask, split); }

void check_graph(const char* operation, const std::string& where, const Graph& graph) {
  const Tensor &x = graph.x, &y = graph.y, &edges = graph.edges;
  if (!x.defined() || !y.defined() || !edges.defined())
    failf(operation, "{}: {} is missing", where, !x.defined() ? "x" : !y.defined() ? "y" : "edges");
  if (x.dtype() != float32 || x.dim() != 2)
    failf(operation, "{}: the features are {} {}; float32 (nodes, features) is expected", where, x.dtype(), x.shape());
  const Index n = x.size(0);
  if (y.dtype() != int64 || y.shape() != Shape{n})
    failf(operation, "{}: the labels are {} {}; int64 ({}) is expected, one for each row of features", where, y.dtype(),
          y.shape(), n);
  if (edges.dtype() != int64 || edges.dim() != 2 || edges.size(1) != 2)
    failf(operation, "{}: the edges are {} {}; int64 (m, 2) is expected", where, edges.dtype(), edges.shape());
  const float* features = x.data<float>();
  for (Index i = 0; i < x.numel(); ++i)
    if (!std::isfinite(features[i]))
      failf(operation, "{}: feature {} of node {} is not finite", where, i % x.size(1), i / x.size(1));
  // More classes than nodes is a mistake, and would make the last layer of a model as large as the file likes.
  const Index classes = graph.class_names.empty() ? n : Index(graph.class_names.size());
  for (Index i = 0; i < n; ++i)
    if (const std::int64_t label = y.data<std::int64_t>()[i]; label < 0 || label >= classes)
      failf(operation, "{}: the label {} of node {} is no class; 0 to {} are possible", where, label, i, classes - 1);
  for (Index i = 0; i < edges.numel(); ++i)
    if (const std::int64_t node = edges.data<std::int64_t>()[i]; node < 0 || node >= n)
      failf(operation, "{}: edge {} has an end at node {}; there are nodes 0 to {}", where, i / 2, node, n - 1);
  check_masks(operation, where, graph);
}

Graph cora(const std::string& root) {
  constexpr auto operation = "cora";
  const std::string content = file_in(operation, root, "cora.content"), cites = file_in(operation, root, "cora.cites");
  Graph graph;
  graph.name = "cora";

  Lines papers(operation, content);
  std::vector<std::string_view> fields;
  std::unordered_map<std::string_view, Index> number_of;
  std::vector<std::string_view> classes;
  std::vector<float> x;
  std::size_t width = 0;
  while (papers.next(fields)) {
    if (width == 0) width = fields.size();
    if (fields.size() < 3 || fields.size() != width)
      papers.refuse("{} fields; a paper, its features and its class are expected, {} fields in each line",
                    fields.size(), std::max<std::size_t>(width, 3));
    if (!number_of.emplace(fields.front(), Index(number_of.size())).second)
      papers.refuse("the paper {} has come before", in_quotes(fields.front()));
    for (std::size_t i = 1; i + 1 < width; ++i) x.push_back(papers.number(fields[i]));
    classes.push_back(fields.back());
  }
  if (classes.empty()) papers.refuse("the file holds no papers");
  std::map<std::string_view, Index> class_of;
  for (const std::string_view name : classes) class_of.emplace(name, 0);
  for (auto& [name, number] : class_of) {
    number = Index(graph.class_names.size());
    graph.class_names.emplace_back(name);
  }
  std::vector<Index> y;
  for (const std::string_view name : classes) y.push_back(class_of[name]);
  graph.x = from_vector(x, {Index(classes.size()), Index(width - 2)});
  graph.y = from_vector(y);

  Lines citations(operation, cites);
  std::vector<Index> ends;
  while (citations.next(fields)) {
    if (fields.size() != 2) citations.refuse("{} fields; the cited and the citing paper are expected", fields.size());
    for (const std::string_view paper : {fields[1], fields[0]}) {
      const auto found = number_of.find(paper);
      if (found == number_of.end()) citations.refuse("the paper {} is not in cora.content", in_quotes(paper));
      ends.push_back(found->second);
    }
  }
  graph.edges = edge_tensor(ends);
  check_graph(operation, root, graph);
  return graph;
}

Graph planetoid(const std::string& root, const std::string& name, const PlanetoidOptions& options) {
  constexpr auto operation = "planetoid";
  const auto path = [&](const char* part) { return file_in(operation, root, fmt::format("ind.{}.{}", name, part)); };
  const auto labels = [&](const char* part, Index rows) {
    const Pickle file(operation, path(part));
    const PickleArray one_hot = file.array(file.root());
    if (one_hot.shape.size() != 2 || (rows >= 0 && one_hot.shape[0] != rows))
      file.refuse("its shape is ({}); one row for each of {} nodes is expected", fmt::join(one_hot.shape, ", "), rows);
    const std::size_t classes = std::size_t(one_hot.shape[1]);
    std::vector<Index> result;
    for (Index r = 0; r < one_hot.shape[0]; ++r) {
      const auto row = one_hot.values.begin() + r * Index(classes), end = row + Index(classes);
      const auto one = std::find(row, end, 1.0);
      if (one == end || std::count(row, end, 0.0) != Index(classes) - 1)
        file.refuse("row {} has not one 1 and else 0", r);
      result.push_back(one - row);
    }
    return result;
  };
  const Pickle known_file(operation, path("allx")), test_file(operation, path("tx")),
      graph_file(operation, path("graph"));
  const PickleCsr known = known_file.csr(known_file.root()), tested = test_file.csr(test_file.root());
  if (tested.columns != known.columns)
    test_file.refuse("its nodes have {} features, those of allx {}", tested.columns, known.columns);
  const std::vector<Index> known_labels = labels("ally", known.rows), test_labels = labels("ty", tested.rows),
                           train_labels = labels("y", -1);

  // Row i of tx is the node that line i of test.index names.
  Lines lines(operation, path("test.index"));
  std::vector<std::string_view> fields;
  std::vector<Index> tests;
  Index n = known.rows;
  const Index most_nodes = most_elements / std::max<Index>(known.columns, 1);
  while (lines.next(fields)) {
    tests.push_back(lines.whole(fields[0], "node"));
    if (fields.size() != 1 || tests.back() < known.rows || tests.back() >= most_nodes)
      lines.refuse("one node from {} is expected, after those of allx", known.rows);
    n = std::max(n, tests.back() + 1);
  }
  if (Index(tests.size()) != tested.rows) lines.refuse("{} nodes, but tx has {}", tests.size(), tested.rows);
  const Index train = Index(train_labels.size());
  if (n > most_nodes) known_file.refuse("{} nodes with {} features are more than this reader takes", n, known.columns);
  if (options.validation < 0 || train > known.rows || options.validation > known.rows - train)
    failf(operation, "{} nodes for training and {} for validation, but allx has {}", train, options.validation,
          known.rows);

  Graph graph;
  graph.name = name;
  graph.x = zeros({n, known.columns});
  graph.y = zeros({n}, {.dtype = int64});
  for (Tensor* mask : {&graph.train_mask, &graph.validation_mask, &graph.test_mask})
    *mask = zeros({1, n}, {.dtype = int64});
  const auto place = [&](const PickleCsr& rows, Index row, Index node, Index label) {
    for (Index e = rows.starts[std::size_t(row)]; e < rows.starts[std::size_t(row) + 1]; ++e)
      graph.x.data<float>()[node * known.columns + rows.indices[std::size_t(e)]] = float(rows.values[std::size_t(e)]);
    graph.y.data<std::int64_t>()[node] = label;
  };
  for (Index i = 0; i < known.rows; ++i) place(known, i, i, known_labels[std::size_t(i)]);
  for (Index i = 0; i < tested.rows; ++i) {
    const Index node = tests[std::size_t(i)];
    std::int64_t& mask = graph.test_mask.data<std::int64_t>()[node];
    if (mask != 0) lines.refuse("node {} comes twice", node);
    mask = 1;
    place(tested, i, node, test_labels[std::size_t(i)]);
  }
  std::fill_n(graph.train_mask.data<std::int64_t>(), train, 1);
  std::fill_n(graph.validation_mask.data<std::int64_t>() + train, options.validation, 1);

  // A dictionary from each node to the list of its neighbours.
  using Kind = PickleItem::Kind;
  const PickleItem& neighbours = graph_file.root();
  if (neighbours.kind != Kind::object && neighbours.kind != Kind::dictionary) graph_file.refuse("it is no dictionary");
  std::vector<Index> ends;
  for (std::size_t i = 0; i + 1 < neighbours.items.size(); i += 2) {
    const PickleItem &node = *neighbours.items[i], &list = *neighbours.items[i + 1];
    if (node.kind != Kind::whole || list.kind != Kind::list)
      graph_file.refuse("entry {} is no node with a list", i / 2);
    if (list.items.size() > most_edges - ends.size() / 2) graph_file.refuse("it has too many edges");
    for (const PickleItem* neighbour : list.items) {
      if (neighbour->kind != Kind::whole) graph_file.refuse("a neighbour of node {} is no number", node.number);
      ends.insert(ends.end(), {node.number, neighbour->number});
    }
  }
  graph.edges = edge_tensor(ends);
  check_graph(operation, root, graph);
  return graph;
}

Graph geom_gcn(const std::string& root, const std::string& name) {
  constexpr auto operation = "geom_gcn";
  const std::string folder = (std::filesystem::path(root) / name).string();
  const std::string edges_path = file_in(operation, folder, "out1_graph_edges.txt");
  Graph graph;
  graph.name = name;

  Lines lines(operation, file_in(operation, folder, "out1_node_feature_label.txt"));
  std::vector<std::string_view> fields, parts;
  if (!lines.next(fields) || fields.size() != 3 || !fields[1].starts_with("feature"))
    lines.refuse("the header \"node_id<tab>feature<tab>label\" is expected");
  constexpr std::string_view amount = "feature(feature_amount:";
  const bool indices = fields[1].starts_with(amount) && fields[1].ends_with(')');
  Index width = 0;
  if (indices)
    width = lines.whole(fields[1].substr(amount.size(), fields[1].size() - amount.size() - 1), "number of features");
  if (width >= most_elements) lines.refuse("{} features are announced, more than {}", width, most_elements);
  width += indices;  // its indices run from 0 to the amount
  struct Node {
    Index id, label;
    std::string_view features;
    bool operator<(const Node& other) const { return id < other.id; }
  };
  std::vector<Node> nodes;
  while (lines.next(fields)) {
    if (fields.size() != 3) lines.refuse("{} fields; node, features and label are expected", fields.size());
    nodes.push_back({lines.whole(fields[0], "node"), lines.whole(fields[2], "label"), fields[1]});
    if (indices) continue;
    const Index count = 1 + std::count(fields[1].begin(), fields[1].end(), ',');
    if (width == 0) width = count;
    if (count != width) lines.refuse("{} features, but {} in the lines before", count, width);
  }
  const Index n = Index(nodes.size());
  if (n == 0) lines.refuse("the file holds no nodes");
  if (n > most_elements / width) lines.refuse("{} nodes with {} features are more than this reader takes", n, width);
  std::sort(nodes.begin(), nodes.end());
  graph.x = zeros({n, width});
  graph.y = Tensor::make(operation, {n}, int64);
  for (Index i = 0; i < n; ++i) {
    const Node& node = nodes[std::size_t(i)];
    if (node.id != i)
      lines.refuse("the nodes are to be 0 to {}, each once, but {} is {}", n - 1, i,
                   node.id < i ? "there twice" : "missing");
    graph.y.data<std::int64_t>()[i] = node.label;
    float* row = graph.x.data<float>() + i * width;
    if (indices && node.features.empty()) continue;
    Lines::cut(node.features, ',', parts);
    for (const std::string_view part : parts) {
      if (!indices) {
        *row++ = lines.number(part);
        continue;
      }
      const Index feature = lines.whole(part, "index of a feature");
      if (feature >= width) lines.refuse("node {} has feature {}; 0 to {} are announced", i, feature, width - 1);
      row[feature] = 1;
    }
  }

  Lines edges(operation, edges_path);
  std::vector<Index> ends;
  if (!edges.next(fields)) edges.refuse("a header is expected");
  while (edges.next(fields)) {
    if (fields.size() != 2) edges.refuse("{} fields; two nodes are expected", fields.size());
    for (const std::string_view end : fields) {
      ends.push_back(edges.whole(end, "node"));
      if (ends.back() >= n) edges.refuse("there is no node {}; there are 0 to {}", ends.back(), n - 1);
    }
  }
  graph.edges = edge_tensor(ends);
  check_graph(operation, folder, graph);

  std::vector<std::string> splits;
  for (std::error_code ignored;;) {
    const std::filesystem::path path =
        std::filesystem::path(root) / "splits" / fmt::format("{}_split_0.6_0.2_{}.npz", name, splits.size());
    if (!std::filesystem::exists(path, ignored)) break;
    splits.push_back(path.string());
  }
  if (!splits.empty()) read_splits(graph, splits);
  return graph;
}

Graph heterophilous(const std::string& path) {
  constexpr auto operation = "heterophilous";
  const NamedTensors arrays = load_npz(path);
  const auto get = [&](const char* name) { return array(operation, path, arrays, name); };
  Graph graph;
  graph.x = get("node_features").to(float32);
  graph.y = get("node_labels");
  graph.edges = get("edges");
  graph.train_mask = get("train_masks");
  graph.validation_mask = get("val_masks");
  graph.test_mask = get("test_masks");
  graph.name = std::filesystem::path(path).stem().string();
  check_graph(operation, path, graph);
  return graph;
}

void read_splits(Graph& graph, const std::vector<std::string>& paths) {
  constexpr auto operation = "read_splits";
  const Index n = graph.nodes(), count = Index(paths.size());
  if (count == 0) failf(operation, "no files are given");
  Graph result = graph;
  Tensor* const masks[] = {&result.train_mask, &result.validation_mask, &result.test_mask};
  const char* const names[] = {"train_mask", "val_mask", "test_mask"};
  for (Tensor* mask : masks) *mask = Tensor::make(operation, {count, n}, int64);
  for (Index split = 0; split < count; ++split) {
    const std::string& path = paths[std::size_t(split)];
    const NamedTensors arrays = load_npz(path);
    for (std::size_t i = 0; i < 3; ++i) {
      const Tensor& mask = array(operation, path, arrays, names[i]);
      if (mask.dtype() != int64 || mask.shape() != Shape{n})
        failf(operation, "{}: \"{}\" is {} {}; whole numbers of shape ({}) are expected, one for each node", path,
              names[i], mask.dtype(), mask.shape(), n);
      std::copy_n(mask.data<std::int64_t>(), n, masks[i]->data<std::int64_t>() + split * n);
    }
  }
  check_masks(operation, paths.size() == 1 ? paths[0] : fmt::format("{} and others", paths[0]), result);
  graph = std::move(result);
}

}  // namespace gradus::data

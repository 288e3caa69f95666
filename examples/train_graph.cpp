// Tells what the nodes of a graph are from what they say of themselves and from whom they know.
//
//   train_graph --root DIR/cora/planetoid --runs 10                        Cora, public split, GCN: about 81.5 %
//   train_graph --root DIR/cora/planetoid --model gat --activation elu --lr 0.005
//   train_graph --format geom_gcn --root DIR/geom_gcn --name texas --model sage --runs 10
//   train_graph --format heterophilous --root DIR/heterophilous --name cornell --model mlp --runs 10
//
// Run r trains from seed + r on the split after that of run r - 1; the weights that did best on the validation nodes are the
// ones tested. What you should see: a line for each run, then mean and standard deviation over the runs beside the share of
// the most frequent class. On Cora neighbours are mostly of one kind and a GCN is far ahead of --model mlp, which sees no edges;
// on Texas, Wisconsin and Cornell they are not, and it is behind.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include <gradus/data/graph.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/gat.hpp>
#include <gradus/models/gcn.hpp>
#include <gradus/models/mlp.hpp>
#include <gradus/models/sage.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/report/table.hpp>

#include "training/training.hpp"

using namespace gradus;

namespace {

struct Settings {
  std::string format = "planetoid", root, name = "cora", model = "gcn", split = "published", features = "row", select = "accuracy";
  std::vector<std::string> split_files;
  Index first_split = 0, hidden = 0;
  int runs = 1, patience = 100;
  double dropout = -1, weight_decay = 5e-4;
  std::string decay = "first";
};

data::Graph load(const Settings& settings) {
  if (settings.root.empty()) fail("--root", "the folder with the graph's files is needed");
  const std::filesystem::path root = settings.root;
  data::Graph graph = settings.format == "planetoid"  ? data::planetoid(settings.root, settings.name)
                      : settings.format == "geom_gcn" ? data::geom_gcn(settings.root, settings.name)
                      : settings.format == "cora"     ? data::cora(settings.root)
                                                      : data::heterophilous((root / (settings.name + ".npz")).string());
  if (!settings.split_files.empty()) data::read_splits(graph, settings.split_files);
  if (settings.split == "published" && graph.splits() == 0)
    fail("--split", fmt::format("{} has no published split; --split random or --split-files give one", graph.name));
  return graph;
}

// The rows of bags of words sum to 1, as in Kipf and Welling 2017, section 5.1.
Tensor features(const Settings& settings, const data::Graph& graph) {
  if (settings.features == "raw") return graph.x;
  return graph.x / maximum(graph.x.abs().sum({.axes = {1}, .keepdim = true}), 1e-12);
}

// Nodes and their classes, as data for train::fit.
data::Dataset labelled(const data::Graph& graph, const Tensor& nodes) {
  return {.x = nodes, .y = index_select(graph.y, 0, nodes), .class_names = graph.class_names, .feature_names = {}, .name = graph.name};
}

struct Parts {
  data::Dataset train, validation, test;
};

Parts parts_of(const data::Graph& graph, const Settings& settings, int run, std::uint64_t seed) {
  if (settings.split == "random") {
    const data::Dataset all = labelled(graph, arange(0, graph.nodes()));
    const auto counts = all.class_counts();
    const bool stratify = *std::min_element(counts.begin(), counts.end()) >= 5;
    const data::ThreeParts parts =
        data::split_three(all, {.validation_fraction = 0.2, .test_fraction = 0.2, .stratify = stratify, .seed = seed});
    return {parts.train, parts.validation, parts.test};
  }
  const Index split = (settings.first_split + run) % graph.splits();
  return {labelled(graph, graph.train_nodes(split)), labelled(graph, graph.validation_nodes(split)), labelled(graph, graph.test_nodes(split))};
}

// A network over a whole graph as a function of nodes: numbers of nodes (b) -> their logits (b, classes).
template <class Net>
class OnGraph : public nn::Module {
 public:
  OnGraph(Net net, Tensor x, nn::EdgeIndex edges) : net_(std::move(net)), x_(std::move(x)), edges_(std::move(edges)) {}
  Tensor forward(const Tensor& nodes) override {
    if constexpr (std::is_same_v<Net, nn::Sequential>)
      return net_(index_select(x_, 0, nodes));  // no edges: the other nodes do not matter
    else
      return index_select(net_(x_, edges_), 0, nodes);
  }
  void visit(nn::Visitor& v) override { v("net", net_); }

 private:
  Net net_;
  Tensor x_;
  nn::EdgeIndex edges_;
};

nn::AnyModule build(const Settings& settings, const data::Graph& graph, const Tensor& x, const nn::EdgeIndex& edges, const std::string& activation) {
  const Index in = graph.features(), classes = graph.num_classes();
  const auto hidden = [&](Index usual) { return settings.hidden > 0 ? settings.hidden : usual; };
  const auto dropout = [&](double usual) { return settings.dropout >= 0 ? settings.dropout : usual; };
  if (settings.model == "sage")
    return OnGraph(models::GraphSAGE(in, classes, {.hidden = hidden(64), .activation = activation, .dropout = dropout(0.5)}), x, edges);
  if (settings.model == "gat")
    return OnGraph(models::GAT(in, classes, {.hidden = hidden(8), .activation = activation, .dropout = dropout(0.6)}), x, edges);
  if (settings.model == "mlp")
    return OnGraph(models::mlp(in, classes, {.hidden = {hidden(64)}, .activation = activation, .dropout = dropout(0.5)}), x, edges);
  return OnGraph(models::GCN(in, classes, {.hidden = hidden(16), .activation = activation, .dropout = dropout(0.5)}), x, edges);
}

// Weight decay on the first layer alone, as Kipf and Welling have it, or on everything.
optim::Adam adam(const Settings& settings, nn::Module& net, double lr) {
  NamedTensors first, others;
  for (const auto& [name, parameter] : net.named_parameters())
    (settings.decay == "all" || name.starts_with("net.conv1.") || name.starts_with("net.1.") ? first : others).emplace_back(name, parameter);
  std::vector<optim::Adam::Group> groups{{first, {.lr = lr, .weight_decay = settings.weight_decay}}};
  if (!others.empty()) groups.push_back({others, {.lr = lr}});
  return optim::Adam(groups);
}

// Minus the loss, for --select loss: larger is better.
double minus_loss(const Tensor& scores, const Tensor& labels) { return -nn::cross_entropy(scores, labels).item(); }

// One run, which goes on where it was interrupted; the network has its best weights afterwards.
train::History train_one(training::Run& run, const Settings& settings, nn::Module& net, const Parts& parts, int number) {
  optim::Adam optimizer = adam(settings, net, run.options().lr);
  data::DataLoader all_at_once{parts.train, {.batch_size = parts.train.size()}};
  train::FitOptions options{.epochs = run.options().epochs, .validation = &parts.validation, .patience = settings.patience, .keep_best = true};
  if (settings.select == "loss") options.metric = minus_loss;
  options.checkpoint = run.folder().path(fmt::format("run_{:02}.safetensors", number)).string();
  options.checkpoint_every = train::Every::epochs(20);
  options.resume = true;
  options.progress = true;
  options.on_step = [](const train::StepRecord&) { return !program::stop; };
  const train::History history = train::fit(net, optimizer, all_at_once, options);
  if (program::stop) throw program::Interrupted{};
  if (history.divergence)
    fail("train_graph", fmt::format("the loss is not finite in epoch {}: {}; a smaller --lr may help", history.divergence->epoch + 1, history.divergence->where));
  return history;
}

double majority_share(const data::Dataset& train, const data::Dataset& test) {
  const auto counts = train.class_counts();
  const auto most = std::max_element(counts.begin(), counts.end()) - counts.begin();
  return (test.y == double(most)).to(float64).mean().item();
}

// The share of edges that join two nodes of one class.
double homophily(const data::Graph& graph) {
  const Tensor from = index_select(graph.edges, 1, from_vector<std::int64_t>({0})).reshape({-1});
  const Tensor to = index_select(graph.edges, 1, from_vector<std::int64_t>({1})).reshape({-1});
  return (index_select(graph.y, 0, from) == index_select(graph.y, 0, to)).to(float64).mean().item();
}

report::Figure curves(const std::vector<train::History>& histories, const std::string& title) {
  std::vector<std::vector<double>> train_loss, val_loss, metric;
  std::size_t longest = 0;
  for (const train::History& history : histories) {
    for (auto* list : {&train_loss, &val_loss, &metric}) list->emplace_back();
    for (const train::EpochRecord& e : history.epochs) {
      train_loss.back().push_back(e.train_loss);
      val_loss.back().push_back(e.val_loss);
      metric.back().push_back(e.val_metric);
    }
    longest = std::max(longest, history.epochs.size());
  }
  std::vector<double> epochs(longest);
  for (std::size_t i = 0; i < longest; ++i) epochs[i] = double(i + 1);
  report::Figure figure(title);
  figure.panel("loss").x_label("epoch").line("training", epochs, report::band(train_loss)).line("validation", epochs, report::band(val_loss));
  figure.panel("what the best epoch is chosen by").x_label("epoch").line("validation", epochs, report::band(metric));
  return figure;
}

report::Figure confusion(const Tensor& counts, std::vector<std::string> names) {
  const auto classes = std::size_t(counts.size(0));
  const std::vector<double> values(counts.data<std::int64_t>(), counts.data<std::int64_t>() + counts.numel());
  report::Figure figure("What was taken for what");
  figure.panel().x_label("named").y_label("is").heat_map(values, classes, classes, {.row_names = names, .column_names = names, .numbers = classes <= 10});
  return figure;
}

void train_all(training::Run& run, const Settings& settings, const data::Graph& graph) {
  const training::Options& options = run.options();
  run.say(fmt::format("{}: {} nodes, {} features, {} classes, {} edge lines, {:.0f} % of them between nodes of one class", graph.name, graph.nodes(),
                      graph.features(), graph.num_classes(), graph.edges.size(0), 100 * homophily(graph)));
  const nn::EdgeIndex edges{graph.edges, graph.nodes(), {.symmetrise = true}};
  const Tensor x = features(settings, graph);
  report::Table table({"run", "seed", "nodes: training", "validation", "test", "best epoch", report::Column("validation %").fixed(2),
                       report::Column("test %").fixed(2), report::Column("majority %").fixed(2)});
  std::vector<double> tests, validations, majorities;
  std::vector<train::History> histories;
  Tensor counts;
  for (int r = 0; r < settings.runs; ++r) {
    const std::uint64_t seed = options.seed + std::uint64_t(r);
    const Parts parts = parts_of(graph, settings, r, seed);
    manual_seed(seed);
    nn::AnyModule net = build(settings, graph, x, edges, options.activation);
    histories.push_back(train_one(run, settings, *net, parts, r));
    const Tensor scores = train::predict(*net, parts.test.x, parts.test.size());
    tests.push_back(100 * train::accuracy(scores, parts.test.y));
    validations.push_back(100 * train::accuracy(train::predict(*net, parts.validation.x, parts.validation.size()), parts.validation.y));
    majorities.push_back(100 * majority_share(parts.train, parts.test));
    const Tensor taken = train::confusion_matrix(scores, parts.test.y);
    counts = r == 0 ? taken : counts + taken;
    const int best = histories.back().best_epoch.value_or(0) + 1;
    table.row({r, std::int64_t(seed), parts.train.size(), parts.validation.size(), parts.test.size(), best, validations.back(), tests.back(), majorities.back()});
    fmt::print("run {:2d}   best epoch {:3d}   validation {:.2f} %   test {:.2f} %\n", r, best, validations.back(), tests.back());
    std::fflush(stdout);
  }
  run.table("The runs", table);
  run.result("validation accuracy, %, mean", report::mean(validations), 2);
  run.result("test accuracy, %, mean", report::mean(tests), 2);
  run.result("test accuracy, %, standard deviation over the runs", report::sample_std(tests), 2);
  run.result("test accuracy of the most frequent class, %, mean", report::mean(majorities), 2);
  run.figure("history", curves(histories, fmt::format("{} on {}: {}", settings.model, graph.name, options.activation)),
             "Mean and standard deviation over the runs that reach an epoch.");
  std::vector<std::string> names = graph.class_names;
  for (Index c = Index(names.size()); c < counts.size(0); ++c) names.push_back(fmt::format("{}", c));
  run.figure("confusion", confusion(counts, std::move(names)), "Test nodes of all runs by their class (rows) and the class that the network named (columns).");
}

void check(const Settings& settings) {
  if (settings.runs < 1) fail("--runs", fmt::format("{} runs; at least 1 is needed", settings.runs));
  if (settings.first_split < 0) fail("--first-split", fmt::format("there is no split {}", settings.first_split));
  if (settings.hidden < 0) fail("--hidden", fmt::format("{} features; 0 stands for the model's own number", settings.hidden));
  if (settings.patience < 0) fail("--patience", fmt::format("{} epochs; 0 stands for no early stopping", settings.patience));
  if (settings.dropout >= 1) fail("--dropout", fmt::format("{} leaves nothing; it must be below 1", settings.dropout));
  if (!(settings.weight_decay >= 0) || !std::isfinite(settings.weight_decay))
    fail("--weight-decay", fmt::format("{} is not finite and at least 0", settings.weight_decay));
}

}  // namespace

int main(int argc, char** argv) {
  training::Program program("train_graph", "Trains a graph network to classify nodes.", {.activation = "relu", .epochs = 200, .quick_epochs = 5, .lr = 0.01});
  Settings settings;
  CLI::App& app = program.app();
  app.remove_option(app.get_option("--batch-size"));  // every step takes all training nodes
  app.add_option("--format", settings.format, "planetoid, geom_gcn, heterophilous (NAME.npz) or cora (cora.content and cora.cites)")
      ->check(CLI::IsMember({"planetoid", "geom_gcn", "heterophilous", "cora"}));
  app.add_option("--root", settings.root, "the folder with the graph's files");
  app.add_option("--name", settings.name, "which graph of that folder");
  app.add_option("--model", settings.model, "gcn, sage, gat, or mlp, which sees no edges")->check(CLI::IsMember({"gcn", "sage", "gat", "mlp"}));
  app.add_option("--hidden", settings.hidden, "features between the layers (gat: of each head); 0: gcn 16, sage and mlp 64, gat 8");
  app.add_option("--dropout", settings.dropout, "negative: 0.5, gat 0.6");
  app.add_option("--weight-decay", settings.weight_decay, "times the weights, added to the gradient");
  app.add_option("--decay", settings.decay, "first: of the first layer alone; all: of everything")->check(CLI::IsMember({"first", "all"}));
  app.add_option("--features", settings.features, "row: each node's features are made to sum to 1; raw: as they are")->check(CLI::IsMember({"row", "raw"}));
  app.add_option("--split", settings.split, "published, or random: 60 % training, 20 % validation, 20 % test by the run's seed")
      ->check(CLI::IsMember({"published", "random"}));
  app.add_option("--split-files", settings.split_files, ".npz files in place of the published splits");
  app.add_option("--first-split", settings.first_split, "which of the splits the first run takes");
  app.add_option("--runs", settings.runs, "how many, from one seed and on one split after the other");
  app.add_option("--patience", settings.patience, "epochs without a better validation result before a run ends; 0: never");
  app.add_option("--select", settings.select, "what makes an epoch the best on the validation nodes")->check(CLI::IsMember({"accuracy", "loss"}));
  data::Graph graph;
  return program.main(
      argc, argv, [&](training::Run& run) { train_all(run, settings, graph); },
      [&] {
        check(settings);
        if (program.options().quick && app.get_option("--runs")->count() == 0) settings.runs = 2;
        graph = load(settings);
      });
}

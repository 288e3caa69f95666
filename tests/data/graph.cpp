#include "gradus/data/graph.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "gradus/tensor/factories.hpp"
#include "npz_file.hpp"
#include "support.hpp"

using namespace gradus;

namespace {

using Indices = std::vector<Index>;

Indices all(const Tensor& x) { return to_vector<Index>(x); }

std::string masks(const std::string& train, const std::string& validation, const std::string& test) {
  const auto array = [](const std::string& m) { return npy("|u1", "(" + std::to_string(m.size()) + ",)", m); };
  return zip({{"train_mask.npy", array(train)}, {"val_mask.npy", array(validation)}, {"test_mask.npy", array(test)}});
}

std::string bits(const std::string& digits) {
  std::string out;
  for (const char c : digits) out += char(c - '0');
  return out;
}

struct GeomFolder : Folder {
  GeomFolder() {
    std::filesystem::create_directories(*this / "toy");
    std::filesystem::create_directories(*this / "splits");
    nodes("node_id\tfeature\tlabel\n2\t1,0,1\t0\n0\t0,0,1\t1\n1\t0,0,0.5\t1\n");
    edges("node_id\tnode_id\n0\t1\n1\t0\n2\t2\n");
  }
  void nodes(const std::string& text) const { write("toy/out1_node_feature_label.txt", text); }
  void edges(const std::string& text) const { write("toy/out1_graph_edges.txt", text); }
  void split(int i, const std::string& content) const {
    write("splits/toy_split_0.6_0.2_" + std::to_string(i) + ".npz", content);
  }
};

Indices mask_counts(const data::Graph& graph, Index split) {
  return {graph.train_nodes(split).numel(), graph.validation_nodes(split).numel(), graph.test_nodes(split).numel()};
}

Index undirected(const data::Graph& graph) {
  std::set<std::pair<Index, Index>> edges;
  const Indices ends = all(graph.edges);
  for (std::size_t i = 0; i < ends.size(); i += 2) edges.insert(std::minmax(ends[i], ends[i + 1]));
  return Index(edges.size());
}

}  // namespace

TEST_CASE("cora: papers, classes by name, edges from the citing paper") {
  const Folder folder;
  folder.write("cora.content", "31336\t0\t1\tTheory\nx7\t1\t1\tCase_Based\n\n9\t0\t0\tTheory\r\n");
  folder.write("cora.cites", "x7\t9\n31336\tx7\n");
  const data::Graph graph = data::cora(folder.path());
  CHECK(graph.x.shape() == Shape{3, 2});
  CHECK(to_vector<float>(graph.x) == std::vector<float>{0, 1, 1, 1, 0, 0});
  CHECK(graph.class_names == std::vector<std::string>{"Case_Based", "Theory"});
  CHECK(all(graph.y) == Indices{1, 0, 1});
  CHECK(graph.edges.shape() == Shape{2, 2});
  CHECK(all(graph.edges) == Indices{2, 1, 1, 0});
  CHECK(graph.num_classes() == 2);
  CHECK(graph.splits() == 0);
  CHECK(has(error_of([&] { (void)graph.train_nodes(); }), "no split 0: cora has 0"));

  const auto error = [&](const std::string& content, const std::string& cites) {
    folder.write("cora.content", content);
    folder.write("cora.cites", cites);
    return error_of([&] { (void)data::cora(folder.path()); });
  };
  CHECK(error("1\t0\ta\n2\t1\tb\n", "").empty());
  CHECK(has(error("1\t0\ta\n2\tb\n", ""), "cora.content, line 2: 2 fields"));
  CHECK(has(error("1\t0\ta\n2\t1\t1\tb\n", ""), "line 2: 4 fields"));
  CHECK(has(error("", ""), "no papers"));
  CHECK(has(error("1\t0\ta\n1\t1\tb\n", ""), "'1' has come before"));
  for (const char* odd : {"nan", "inf", "1e99", "x", "", "1 "})
    CHECK(has(error(std::string("1\t") + odd + "\ta\n", ""), "is no feature"));
  CHECK(has(error("1\t0\ta\n", "1\t2\n"), "cora.cites, line 1: the paper '2' is not in cora.content"));
  CHECK(has(error("1\t0\ta\n", "1\t1\n1\n"), "cora.cites, line 2: 1 fields"));
  CHECK(has(error_of([] { (void)data::cora("/nowhere"); }), "there is no cora.content in /nowhere"));
}

TEST_CASE("geom_gcn: nodes in any order, features as numbers or as indices, splits as far as there are") {
  const GeomFolder folder;
  data::Graph graph = data::geom_gcn(folder.path(), "toy");
  CHECK(graph.x.shape() == Shape{3, 3});
  CHECK(to_vector<float>(graph.x) == std::vector<float>{0, 0, 1, 0, 0, 0.5f, 1, 0, 1});
  CHECK(all(graph.y) == Indices{1, 1, 0});
  CHECK(all(graph.edges) == Indices{0, 1, 1, 0, 2, 2});
  CHECK(graph.splits() == 0);
  folder.split(0, masks(bits("100"), bits("010"), bits("001")));
  folder.split(1, masks(bits("011"), bits("000"), bits("100")));
  folder.split(3, "not reached");
  graph = data::geom_gcn(folder.path(), "toy");
  CHECK(graph.splits() == 2);
  CHECK(all(graph.train_nodes()) == Indices{0});
  CHECK(all(graph.train_nodes(1)) == Indices{1, 2});
  CHECK(all(graph.validation_nodes(1)).empty());
  CHECK(all(graph.test_nodes(1)) == Indices{0});
  CHECK(has(error_of([&] { (void)graph.test_nodes(2); }), "no split 2: toy has 2"));
  CHECK(has(error_of([&] { (void)graph.test_nodes(-1); }), "no split -1"));

  folder.nodes("node_id\tfeature(feature_amount:3)\tlabel\n0\t3,1\t0\n1\t\t1\n2\t0\t0\n");
  graph = data::geom_gcn(folder.path(), "toy");
  CHECK(graph.x.shape() == Shape{3, 4});
  CHECK(to_vector<float>(graph.x) == std::vector<float>{0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0});
}

TEST_CASE("geom_gcn: what is refused") {
  const GeomFolder folder;
  const auto error = [&] { return error_of([&] { (void)data::geom_gcn(folder.path(), "toy"); }); };
  const auto with_nodes = [&](const std::string& text) {
    folder.nodes(text);
    return error();
  };
  const std::string head = "node_id\tfeature\tlabel\n", list = "node_id\tfeature(feature_amount:2)\tlabel\n";
  CHECK(has(error_of([&] { (void)data::geom_gcn(folder.path(), "other"); }), "there is no out1_graph_edges.txt"));
  CHECK(has(with_nodes(""), "the header"));
  CHECK(has(with_nodes("a\tb\tc\n"), "the header"));
  CHECK(has(with_nodes(head), "no nodes"));
  CHECK(has(with_nodes(head + "0\t1\n"), "line 2: 2 fields"));
  CHECK(has(with_nodes(head + "0\t1\t0\n1\t1,1\t0\n"), "line 3: 2 features, but 1"));
  CHECK(has(with_nodes(head + "0\t1\t0\n0\t1\t0\n"), "1 is there twice"));
  CHECK(has(with_nodes(head + "0\t1\t0\n2\t1\t0\n"), "1 is missing"));
  CHECK(has(with_nodes(head + "-1\t1\t0\n"), "'-1' is no node"));
  CHECK(has(with_nodes(head + "99999999999999999999\t1\t0\n"), "is no node"));
  CHECK(has(with_nodes(head + "0\tnan\t0\n"), "'nan' is no feature"));
  CHECK(has(with_nodes(head + "0\t1\t7\n1\t1\t0\n2\t1\t0\n"), "label 7 of node 0"));
  CHECK(has(with_nodes(list + "0\t3\t0\n"), "feature 3; 0 to 2"));
  CHECK(has(with_nodes(list + "0\tx\t0\n"), "'x' is no index"));
  CHECK(has(with_nodes("node_id\tfeature(feature_amount:9223372036854775807)\tlabel\n0\t3\t0\n"), "announced"));
  CHECK(has(with_nodes("node_id\tfeature(feature_amount:200000000)\tlabel\n0\t3\t0\n1\t1\t0\n"),
            "more than this reader"));
  folder.nodes(head + "0\t1\t0\n1\t1\t1\n");
  folder.edges("");
  CHECK(has(error(), "a header is expected"));
  folder.edges("a\tb\n0\t2\n");
  CHECK(has(error(), "out1_graph_edges.txt, line 2: there is no node 2"));
  folder.edges("a\tb\n0\n");
  CHECK(has(error(), "line 2: 1 fields"));
  folder.edges("a\tb\n0\t1\n");
  CHECK(error().empty());
  folder.split(0, masks(bits("100"), bits("010"), bits("001")));
  CHECK(has(error(), "\"train_mask\" is int64 (3)"));
  folder.split(0, masks(bits("11"), bits("01"), bits("00")));
  CHECK(has(error(), "node 1 is in two masks of split 0"));
  folder.split(0, masks(bits("12"), bits("00"), bits("00")));
  CHECK(has(error(), "has 2 for node 1"));
  folder.split(0, zip({{"train_mask.npy", npy("|u1", "(2,)", bits("10"))}}));
  CHECK(has(error(), "no array \"val_mask\""));
}

TEST_CASE("heterophilous: one archive") {
  const Folder folder;
  const auto archive = [](const std::string& labels, const std::string& edges, const std::string& train) {
    const std::string none = npy("|b1", "(1, 2)", bits("00"));
    return zip({{"node_features.npy", npy("<f4", "(2, 1)", std::string("\0\0\xc0\x3f\0\0\0\xc0", 8)), true},
                {"node_labels.npy", npy("|u1", "(2,)", bits(labels))},
                {"edges.npy", npy("|u1", "(1, 2)", bits(edges))},
                {"train_masks.npy", npy("|b1", "(1, 2)", bits(train))},
                {"val_masks.npy", none},
                {"test_masks.npy", none}});
  };
  const data::Graph graph = data::heterophilous(folder.write("toy.npz", archive("10", "01", "01")));
  CHECK(graph.name == "toy");
  CHECK(to_vector<float>(graph.x) == std::vector<float>{1.5f, -2.0f});
  CHECK(all(graph.y) == Indices{1, 0});
  CHECK(all(graph.edges) == Indices{0, 1});
  CHECK(all(graph.train_nodes()) == Indices{1});
  const auto error = [&](const std::string& content) {
    return error_of([&] { (void)data::heterophilous(folder.write("odd.npz", content)); });
  };
  CHECK(has(error(archive("12", "01", "01")), "label 2 of node 1"));
  CHECK(has(error(archive("10", "02", "01")), "edge 0 has an end at node 2"));
  CHECK(has(error(zip({{"edges.npy", npy("|u1", "(1, 2)", bits("00"))}})), "no array \"node_features\""));
}

TEST_CASE("planetoid: pickles are parsed, never run") {
  const Folder folder;
  const auto whole = [](Index value) { return "J" + little(std::uint64_t(value), 4); };
  const auto text = [](const std::string& s) { return "U" + little(s.size(), 1) + s; };
  const auto array = [&](const Indices& shape, const Indices& values, const std::string& type = "i4") {
    std::string axes, raw;
    for (const Index size : shape) axes += whole(size);
    for (const Index value : values) raw += little(std::uint64_t(value), type == "i8" ? 8 : 4);
    return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK" + little(0, 1) + "\x85" + text("b") +
           "\x87R(K\x01(" + axes + "tcnumpy\ndtype\n" + text(type) + "K" + little(0, 1) + "K\x01\x87R(K\x03" +
           text("<") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + little(0, 1) + "tb\x89T" + little(raw.size(), 4) +
           raw + "tb";
  };
  const auto csr = [&](Index rows, Index columns, const Indices& starts, const Indices& indices,
                       const Indices& values) {
    return "cscipy.sparse.csr\ncsr_matrix\n)\x81}(" + text("_shape") + whole(rows) + whole(columns) + "\x86" +
           text("indptr") + array({Index(starts.size())}, starts) + text("indices") +
           array({Index(indices.size())}, indices, "i8") + text("data") + array({Index(values.size())}, values) + "ub";
  };
  const auto write = [&](const std::string& part, const std::string& body) {
    folder.write("ind.toy." + part, part == "test.index" ? body : "\x80\x02" + body + ".");
  };
  const auto sound = [&] {
    write("allx", csr(3, 2, {0, 1, 1, 3}, {1, 0, 1}, {1, 2, 3}));
    write("ally", array({3, 2}, {1, 0, 0, 1, 0, 1}));
    write("tx", csr(2, 2, {0, 1, 2}, {0, 1}, {7, 8}));
    write("ty", array({2, 2}, {1, 0, 0, 1}));
    write("y", array({1, 2}, {1, 0}));
    write("test.index", "5\n3\n");
    write("graph", "ccollections\ndefaultdict\nq" + little(1, 1) + "c__builtin__\nlist\n\x85R(K" + little(0, 1) +
                       "](K\x01K\x05"
                       "eK\x05]K" +
                       little(0, 1) + "au");
  };
  const auto read = [&] { return data::planetoid(folder.path(), "toy", {.validation = 2}); };
  const auto error = [&] {
    const std::string message = error_of([&] { (void)read(); });
    sound();
    return message;
  };
  sound();
  const data::Graph graph = read();
  CHECK(graph.x.shape() == Shape{6, 2});
  CHECK(to_vector<float>(graph.x) == std::vector<float>{0, 1, 0, 0, 2, 3, 0, 8, 0, 0, 7, 0});
  CHECK(all(graph.y) == Indices{0, 1, 1, 1, 0, 0});
  CHECK(all(graph.edges) == Indices{0, 1, 0, 5, 5, 0});
  CHECK(all(graph.train_nodes()) == Indices{0});
  CHECK(all(graph.validation_nodes()) == Indices{1, 2});
  CHECK(all(graph.test_nodes()) == Indices{3, 5});

  CHECK(has(error_of([&] { (void)data::planetoid(folder.path(), "toy"); }), "500 for validation, but allx has 3"));
  CHECK(has(error_of([&] { (void)data::planetoid(folder.path(), "other"); }), "there is no ind.other.allx"));
  write("test.index", "5\n5\n");
  CHECK(has(error(), "node 5 comes twice"));
  write("test.index", "5\n2\n");
  CHECK(has(error(), "line 2: one node from 3"));
  write("test.index", "5\n4000000000\n");
  CHECK(has(error(), "line 2"));
  write("test.index", "5\n");
  CHECK(has(error(), "1 nodes, but tx has 2"));
  write("y", array({1, 2}, {1, 1}));
  CHECK(has(error(), "ind.toy.y"));
  write("ally", array({2, 2}, {1, 0, 0, 1}));
  CHECK(has(error(), "one row for each of 3 nodes"));
  write("ally", array({3, 2}, {1, 0, 0, 1, 0}));
  CHECK(has(error(), "20 bytes for 6 elements"));
  write("allx", csr(3, 2, {0, 1, 1, 3}, {1, 0, 2}, {1, 2, 3}));
  CHECK(has(error(), "do not fit together"));
  write("allx", csr(3, 2, {0, 2, 1, 3}, {1, 0, 1}, {1, 2, 3}));
  CHECK(has(error(), "do not fit together"));
  write("allx", csr(3, 2, {0, -1, 1, 3}, {1, 0, 1}, {1, 2, 3}));
  CHECK(has(error(), "the indptr of a sparse matrix have a -1"));
  write("allx", array({1}, {1}));
  CHECK(has(error(), "scipy.sparse.csr_matrix is expected"));
  write("allx", "cos\nsystem\n" + text("true") + "\x85R");
  CHECK(has(error(), "scipy.sparse.csr_matrix is expected"));
  write("graph",
        "}(K\x01]K\x09"
        "au");
  CHECK(has(error(), "node 9"));
  for (const char* odd : {"", "t", "a", "K\x01K\x02", "K\x01R", "h\x05", "Kxr\xff\xff\xff\x7f", "(", "\x93", "(K\x01u",
                          "cabc", "T\xff\xff\xff\xff", "]K\x01s", "K\x01}b", "K\x01"}) {
    CAPTURE(std::string(odd));
    write("graph", odd);
    CHECK(has(error(), "ind.toy.graph\" is damaged"));
  }
  // A chain of a million tuples, and a list that holds itself, are read and dropped without harm.
  write("graph", ")" + std::string(1000000, '\x85'));
  CHECK(has(error(), "no dictionary"));
  write("graph", "]q" + little(0, 1) + "h" + little(0, 1) + "a");
  CHECK(has(error(), "no dictionary"));

  for (const char* part : {"allx", "ally", "graph"}) {
    sound();
    std::ifstream in(folder / (std::string("ind.toy.") + part), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      folder.write(std::string("ind.toy.") + part, bytes.substr(0, length));
      CHECK(has(error_of([&] { (void)read(); }), "planetoid"));
    }
    for (std::size_t i = 0; i < bytes.size(); ++i)
      for (const char flip : {1, 16, 64, -128}) {
        std::string changed = bytes;
        changed[i] = char(changed[i] ^ flip);
        folder.write(std::string("ind.toy.") + part, changed);
        const std::string message = error_of([&] { (void)read(); });
        CHECK((message.empty() || has(message, "planetoid")));
      }
  }
}

TEST_CASE("the real Cora in Planetoid's form, with the public split") {
  const std::string root = real_data("cora/planetoid"), splits = real_data("cora/splits");
  if (root.empty() || splits.empty()) return;
  data::Graph graph = data::planetoid(root, "cora");
  CHECK(graph.x.shape() == Shape{2708, 1433});
  CHECK(undirected(graph) == 5278);
  CHECK(mask_counts(graph, 0) == Indices{140, 500, 1000});
  Indices counts(7), in_training(7);
  const Indices labels = all(graph.y);
  for (const Index label : labels) ++counts[std::size_t(label)];
  for (const Index node : all(graph.train_nodes())) ++in_training[std::size_t(labels[std::size_t(node)])];
  CHECK(counts == Indices{351, 217, 418, 818, 426, 298, 180});
  CHECK(in_training == Indices(7, 20));
  double words = 0;
  for (const float value : to_vector<float>(graph.x)) words += double(value);
  CHECK(words == 49216);
  data::read_splits(graph, {splits + "/cora_split_0.6_0.2_0.npz", splits + "/cora_split_0.6_0.2_1.npz"});
  CHECK(graph.splits() == 2);
  CHECK(mask_counts(graph, 0) == Indices{1192, 796, 497});
}

TEST_CASE("the real Cora") {
  const std::string root = real_data("cora");
  if (root.empty()) return;
  data::Graph graph = data::cora(root);
  CHECK(graph.x.shape() == Shape{2708, 1433});
  CHECK(graph.edges.shape() == Shape{5429, 2});
  CHECK(undirected(graph) == 5278);
  Indices counts(7);
  for (const Index label : all(graph.y)) ++counts[std::size_t(label)];
  // Case_Based, Genetic_Algorithms, Neural_Networks, Probabilistic_Methods, Reinforcement_Learning, Rule_Learning,
  // Theory, as the README of the data set counts them.
  CHECK(counts == Indices{298, 418, 818, 426, 217, 180, 351});
}

TEST_CASE("the real graphs of Geom-GCN") {
  const std::string root = real_data("geom_gcn");
  if (root.empty()) return;
  struct Expected {
    const char* name;
    Index nodes, edges, features;
    Indices masks;
  };
  for (const Expected& e :
       {Expected{"texas", 183, 325, 1703, {87, 59, 37}}, Expected{"wisconsin", 251, 515, 1703, {120, 80, 51}},
        Expected{"cornell", 183, 298, 1703, {87, 59, 37}}, Expected{"chameleon", 2277, 36101, 2325, {1092, 729, 456}},
        Expected{"film", 7600, 33391, 932, {3648, 2432, 1520}}}) {
    CAPTURE(std::string(e.name));
    const data::Graph graph = data::geom_gcn(root, e.name);
    CHECK(graph.x.shape() == Shape{e.nodes, e.features});
    CHECK(graph.edges.shape() == Shape{e.edges, 2});
    CHECK(graph.num_classes() == 5);
    CHECK(graph.splits() == 10);
    CHECK(mask_counts(graph, 0) == e.masks);
  }
}

TEST_CASE("the real heterophilous graphs") {
  const std::string root = real_data("heterophilous");
  if (root.empty()) return;
  const data::Graph mines = data::heterophilous(root + "/minesweeper.npz");
  CHECK(mines.x.shape() == Shape{10000, 7});
  CHECK(mines.edges.shape() == Shape{39402, 2});  // a grid of 100 x 100, neighbours by side and corner
  CHECK(mines.num_classes() == 2);
  CHECK(mines.splits() == 10);
  CHECK(data::heterophilous(root + "/cornell.npz").x.shape() == Shape{183, 1703});
  CHECK(data::heterophilous(root + "/chameleon_filtered.npz").x.shape() == Shape{890, 2325});
  CHECK(data::heterophilous(root + "/squirrel_filtered.npz").num_classes() == 5);
}

#pragma once
// Graphs whose nodes have features and classes, and the public formats that they come in.
//
//   const data::Graph cora = data::planetoid("datasets/cora/planetoid", "cora");
//   const Tensor train = cora.train_nodes();
#include <string>
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus::data {

struct Graph {
  Tensor x;      ///< (n, features) float32
  Tensor y;      ///< (n) int64: the class of each node
  Tensor edges;  ///< (m, 2) int64: source and target, the lines as published (one direction, or both; repeated, loops)
  std::vector<std::string> class_names;  ///< what class 0, 1, ... is called; empty where classes have only numbers
  Tensor train_mask, validation_mask, test_mask;  ///< (splits, n) int64, 1 for the nodes that belong; or undefined
  std::string name;                               ///< for messages and reports

  Index nodes() const { return x.size(0); }
  Index features() const { return x.size(1); }
  /// The number of classes: of names, or where there are none the largest label plus 1.
  Index num_classes() const;
  /// How many splits there are; 0 without masks.
  Index splits() const { return train_mask.defined() ? train_mask.size(0) : 0; }
  /// The nodes of one split, int64 and rising. Throws when there is no such split.
  Tensor train_nodes(Index split = 0) const;
  Tensor validation_nodes(Index split = 0) const;
  Tensor test_nodes(Index split = 0) const;
};

/// Throws Error, naming `operation` and `where`, unless x is finite and (n, features) float32, y holds n classes from
/// 0, edges join nodes 0 to n - 1, and the masks (all or none) have shape (splits, n), hold 0 and 1 and do not overlap.
void check_graph(const char* operation, const std::string& where, const Graph& graph);

/// The Cora citation graph from cora.content and cora.cites in the folder `root` (https://linqs.org/datasets/#cora):
/// 2708 papers in the order of the file, an edge from the citing paper to the cited one, classes in alphabetical order.
/// No masks: the public split and the .npz splits go by the order of planetoid().
Graph cora(const std::string& root);

struct PlanetoidOptions {
  Index validation = 500;  ///< nodes after the training ones that are for validation
};

/// A graph of Yang, Cohen and Salakhutdinov 2016 (https://github.com/kimiyoung/planetoid) with the public split, e.g.
/// "cora": 140 nodes for training, 20 of each class, 500 for validation, 1000 for testing. Reads ind.NAME.allx, .ally,
/// .tx, .ty, .y, .graph and .test.index in the folder `root`; the Python pickles among them are parsed, never run. The
/// edges are the lines of .graph: both directions, some of them repeated. Nodes without a record (as in citeseer) have
/// features 0 and class 0.
Graph planetoid(const std::string& root, const std::string& name, const PlanetoidOptions& options = {});

/// A graph of Pei et al. 2020, "Geom-GCN" (https://github.com/graphdml-uiuc-jlu/geom-gcn): out1_graph_edges.txt and
/// out1_node_feature_label.txt in root/name. Features are comma-separated numbers, or, where the header says
/// "feature(feature_amount:k)" as for "film", the indices 0 to k of those that are 1. The masks are those of
/// root/splits/NAME_split_0.6_0.2_0.npz, ..._1.npz and so on, as far as there are such files.
Graph geom_gcn(const std::string& root, const std::string& name);

/// A graph of Platonov et al. 2023, "A critical look at the evaluation of GNNs under heterophily"
/// (https://github.com/yandex-research/heterophilous-graphs): one .npz with node_features, node_labels, edges,
/// train_masks, val_masks and test_masks.
Graph heterophilous(const std::string& path);

/// Replaces the masks by those of .npz files with train_mask, val_mask and test_mask of n elements each: one file for
/// each split. Throws, and changes nothing, when they do not fit the graph.
void read_splits(Graph& graph, const std::vector<std::string>& paths);

}  // namespace gradus::data

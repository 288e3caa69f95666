#include "gradus/nn/sparse.hpp"

#include <cmath>
#include <map>
#include <random>

#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::nn;
using namespace gradus::testing;

namespace {

using Edges = std::vector<std::pair<Index, Index>>;

Tensor tensor_of(const Edges& edges) {
  std::vector<Index> ends;
  for (const auto& [source, target] : edges) ends.insert(ends.end(), {source, target});
  return from_vector(ends, {Index(edges.size()), 2});
}

Edges random_edges(Index nodes, Index count, unsigned seed) {
  std::mt19937 random(seed);
  Edges edges;
  for (Index i = 0; i < count; ++i) edges.emplace_back(Index(random() % nodes), Index(random() % nodes));
  return edges;
}

// The definition, on a dense matrix.
Tensor dense_adjacency(const Edges& edges, Index n, const AdjacencyOptions& o) {
  Tensor a = zeros({n, n}, {.dtype = float64});
  double* v = a.data<double>();
  for (const auto& [source, target] : edges) {
    v[target * n + source] += 1;
    if (o.symmetrise && source != target) v[source * n + target] += 1;
  }
  for (Index i = 0; i < n * n; ++i)
    if (o.remove_duplicates) v[i] = std::min(v[i], 1.0);
  for (Index i = 0; i < n; ++i)
    if (o.self_loops != SelfLoops::keep) v[i * n + i] = o.self_loops == SelfLoops::add ? 1 : 0;
  std::vector<double> degree(static_cast<std::size_t>(n));
  for (Index i = 0; i < n * n; ++i) degree[std::size_t(i / n)] += v[i];
  for (Index i = 0; i < n * n; ++i) {
    if (v[i] == 0) continue;
    const double row = degree[std::size_t(i / n)], column = degree[std::size_t(i % n)];
    if (o.normalise == Normalise::rows) v[i] /= row;
    if (o.normalise == Normalise::symmetric) v[i] = column > 0 ? v[i] / std::sqrt(row * column) : 0;
  }
  return a;
}

}  // namespace

TEST_CASE("adjacency: every combination of options against the dense definition") {
  for (const Index n : {1, 2, 7, 13})
    for (const Index m : {0, 1, 5, 40})
      for (const bool symmetrise : {false, true})
        for (const bool remove : {false, true})
          for (const SelfLoops loops : {SelfLoops::keep, SelfLoops::add, SelfLoops::remove})
            for (const Normalise normalise : {Normalise::none, Normalise::symmetric, Normalise::rows}) {
              const Edges edges = random_edges(n, m, unsigned(n * 100 + m));
              const AdjacencyOptions o{symmetrise, remove, loops, normalise, float64};
              const Csr a = adjacency(tensor_of(edges), n, o);
              CHECK(largest_difference(a.to_dense(), dense_adjacency(edges, n, o)) < 1e-15);
              CHECK(largest_difference(a.transposed().to_dense(), a.to_dense().t()) == 0);
              // Columns rise, and no entry comes twice.
              for (Index r = 0; r < n; ++r)
                for (Index e = a.starts()[std::size_t(r)] + 1; e < a.starts()[std::size_t(r) + 1]; ++e)
                  CHECK(a.indices()[std::size_t(e - 1)] < a.indices()[std::size_t(e)]);
            }
  CHECK(adjacency(zeros({0, 2}, {.dtype = int64}), 0).rows() == 0);
  CHECK(adjacency(tensor_of({{0, 1}}), 2).dtype() == float32);
  // The direction: 1 hears from 0.
  CHECK(allclose(adjacency(tensor_of({{0, 1}}), 2).to_dense(), tensor({{0, 0}, {1, 0}})));
}

TEST_CASE("spmm: the dense product, for matrices of any shape") {
  std::mt19937 random(3);
  for (const Index rows : {0, 1, 5, 31})
    for (const Index columns : {1, 4, 17})
      for (const Index width : {0, 1, 3, 33}) {
        // Unsorted columns, some of them repeated, and empty rows.
        std::vector<Index> starts{0}, indices;
        for (Index r = 0; r < rows; ++r) {
          for (unsigned e = random() % 5; e > 0; --e) indices.push_back(Index(random() % unsigned(columns)));
          starts.push_back(Index(indices.size()));
        }
        const Csr a(rows, columns, starts, indices, normal_numbers({Index(indices.size())}, 5));
        const Tensor x = normal_numbers({columns, width}, 7);
        const Tensor y = spmm(a, x);
        REQUIRE(y.shape() == Shape{rows, width});
        CHECK(largest_difference(y, matmul(a.to_dense(), x)) < 1e-13);
        CHECK(largest_difference(spmm(a.to(float32), x.to(float32)).to(float64), y) < 1e-4);
        CHECK(a.to(float64).values().impl() == a.values().impl());
      }
}

TEST_CASE("spmm: derivatives, and the same bits on any number of threads") {
  const Csr a = adjacency(tensor_of(random_edges(7, 20, 1)), 7,
                          {.self_loops = SelfLoops::add, .normalise = Normalise::rows, .dtype = float64});
  check_derivatives([&](const std::vector<Tensor>& in) { return tanh(spmm(a, square(spmm(a, in[0])))); },
                    {leaf({7, 3})});
  const Tensor x = normal_numbers({7, 2}, 4).requires_grad_();
  const Tensor weights = normal_numbers({7, 2}, 9);
  CHECK(largest_difference(grad((spmm(a, x) * weights).sum(), x), matmul(a.to_dense().t(), weights)) < 1e-14);
  const Csr large = adjacency(tensor_of(random_edges(3001, 40000, 2)), 3001, {.normalise = Normalise::symmetric});
  check_threads([&](const std::vector<Tensor>& in) { return spmm(large, in[0]); },
                {normal_numbers({3001, 37}, 8, float32).requires_grad_()});
}

TEST_CASE("sparse matrices say what does not fit") {
  const Tensor two = ones({2}), edges = tensor_of({{0, 1}, {1, 2}});
  check_error([&] { (void)Csr(-1, 2, {0}, {}, ones({0})); }, {"Csr", "-1 rows"});
  check_error([&] { (void)Csr(2, 2, {0, 1, 2}, {0, 1}, ones({3})); }, {"Csr", "2 columns", "(3)"});
  check_error([&] { (void)Csr(2, 2, {0, 1, 2}, {0, 2}, two); }, {"column 2 is out of range", "there are 2"});
  check_error([&] { (void)Csr(2, 2, {0, 1, 2}, {0, -1}, two); }, {"column -1"});
  for (const std::vector<Index>& starts : {std::vector<Index>{}, {0, 2}, {1, 1, 2}, {0, 3, 2}, {0, 1, 1}, {0, -1, 2}})
    check_error([&] { (void)Csr(2, 2, starts, {0, 1}, two); }, {"3 numbers rising from 0 to 2"});
  check_error([&] { (void)Csr(2, 2, {0, 1, 2}, {0, 1}, ones({2}).requires_grad_()); }, {"constants", "detach"});
  check_error([&] { (void)Csr(2, 2, {0, 1, 2}, {0, 1}, ones({2}, {.dtype = int64})); }, {"Csr", "int64"});
  check_error([&] { (void)adjacency(edges, 2); }, {"adjacency", "edge 1", "node 2", "2 nodes"});
  check_error([&] { (void)adjacency(tensor_of({{-1, 0}}), 2); }, {"node -1"});
  check_error([&] { (void)adjacency(edges, -1); }, {"-1 nodes"});
  check_error([&] { (void)adjacency(edges.t().slice(1, 0, 1), 3); }, {"int64 (2, 1)", "(m, 2)"});
  check_error([&] { (void)adjacency(ones({1, 2}), 3); }, {"float32 (1, 2)"});
  const Csr a = adjacency(edges, 3);
  check_error([&] { (void)spmm(a, ones({2, 3})); }, {"spmm", "(2, 3)", "(3, 3)", "(3, width)"});
  check_error([&] { (void)spmm(a, ones({3})); }, {"spmm", "(3)"});
  check_error([&] { (void)spmm(a, ones({3, 1}, {.dtype = float64})); }, {"spmm", "float64", "Csr::to"});
}

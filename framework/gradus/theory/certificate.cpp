#include "gradus/theory/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "gradus/core/format.hpp"

namespace gradus::theory {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double shortened = 1 - 1e-12;  // for the rounding in margins and norms

void check(const char* operation, const PlainNetwork& network) {
  if (network.layers.empty()) failf(operation, "a network without layers");
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const AffineLayer& layer = network.layers[l];
    check_matrix(operation, layer.weight);
    if (l > 0 && layer.weight.cols != network.layers[l - 1].weight.rows)
      failf(operation, "layer {} takes {} numbers but layer {} gives {}", l, layer.weight.cols, l - 1,
            network.layers[l - 1].weight.rows);
    if (!layer.bias.empty() && Index(layer.bias.size()) != layer.weight.rows)
      failf(operation, "layer {} has {} outputs and {} biases", l, layer.weight.rows, layer.bias.size());
    for (const double b : layer.bias)
      if (!std::isfinite(b)) failf(operation, "layer {} has a bias of {}", l, b);
  }
}

void check(const char* operation, const PlainNetwork& network, const std::vector<double>& x) {
  check(operation, network);
  if (Index(x.size()) != network.layers.front().weight.cols)
    failf(operation, "the input has {} numbers, the network takes {}", x.size(), network.layers.front().weight.cols);
  for (const double value : x)
    if (!std::isfinite(value)) failf(operation, "the input holds {}", value);
}

std::vector<double> affine(const AffineLayer& layer, const std::vector<double>& x) {
  std::vector<double> y(static_cast<std::size_t>(layer.weight.rows));
  for (Index i = 0; i < layer.weight.rows; ++i) {
    double sum = layer.bias.empty() ? 0 : layer.bias[std::size_t(i)];
    for (Index j = 0; j < layer.weight.cols; ++j) sum += layer.weight(i, j) * x[std::size_t(j)];
    y[std::size_t(i)] = sum;
  }
  return y;
}

double norm(const Matrix& weight) {
  const std::vector<double> values = singular_values(weight);
  return values.empty() ? 0 : values.front();
}

double row_norm(const Matrix& weight, Index row) {
  double sum = 0;
  for (Index j = 0; j < weight.cols; ++j) sum += weight(row, j) * weight(row, j);
  return std::sqrt(sum);
}

// |W_1^T d|.
double pulled_back(const Matrix& w1, const std::vector<double>& d) {
  double total = 0;
  for (Index j = 0; j < w1.cols; ++j) {
    double sum = 0;
    for (Index i = 0; i < w1.rows; ++i) sum += w1(i, j) * d[std::size_t(i)];
    total += sum * sum;
  }
  return std::sqrt(total);
}

// The norms of all layers but the last: of many classes only that one differs.
std::vector<double> hidden_norms(const PlainNetwork& network) {
  std::vector<double> norms;
  for (std::size_t l = 0; l + 1 < network.layers.size(); ++l) norms.push_back(norm(network.layers[l].weight));
  return norms;
}

double hidden_product(const PlainNetwork& network, const std::vector<double>& norms) {
  double product = 1;
  const double steepest = norms.empty() ? 1 : lipschitz_constant(network.f).value;
  for (const double value : norms) product *= value * steepest;
  return product;
}

// The largest |W_1^T D w_2|, or above 16 units a bound for it: slope_interval_bound, given |W_1|.
double vertex_bound(const Matrix& w1, double norm_1, const Matrix& w2, const std::vector<Interval>& slopes) {
  const std::size_t h = slopes.size();
  std::vector<double> d(h);
  if (h > 16) {
    double rest = 0;
    for (std::size_t i = 0; i < h; ++i) {
      d[i] = 0.5 * (slopes[i].low + slopes[i].high) * w2.data[i];
      const double radius = 0.5 * (slopes[i].high - slopes[i].low) * w2.data[i];
      rest += radius * radius;
    }
    return pulled_back(w1, d) + norm_1 * std::sqrt(rest);
  }
  double largest = 0;
  for (std::size_t vertex = 0; vertex < std::size_t{1} << h; ++vertex) {
    for (std::size_t i = 0; i < h; ++i) d[i] = (vertex >> i & 1 ? slopes[i].high : slopes[i].low) * w2.data[i];
    largest = std::max(largest, pulled_back(w1, d));
  }
  return largest;
}

// What certify_local knows of the network (one output) at one input before a radius is tried.
struct Local {
  const PlainNetwork& network;
  const std::vector<double>& norms;         ///< of the hidden layers
  std::vector<std::vector<double>> rows;    ///< norms of their rows
  std::vector<std::vector<double>> inputs;  ///< pre-activations at x
  std::vector<Extreme> turns;               ///< of f'

  // The slopes of f between two inputs.
  Interval slopes(double low, double high) const {
    const double a = network.f(1, low), b = network.f(1, high);
    Interval range{std::min(a, b), std::max(a, b)};
    for (const Extreme& turn : turns)
      if (low <= turn.at && turn.at <= high)
        range = {std::min(range.low, turn.value), std::max(range.high, turn.value)};
    return range;
  }
};

Local local(const PlainNetwork& network, const std::vector<double>& norms, const std::vector<double>& x) {
  Local all{network, norms, {}, {}, {}};
  if (!norms.empty()) all.turns = slope_turns(network.f);
  std::vector<double> features = x;
  for (std::size_t l = 0; l < norms.size(); ++l) {
    const AffineLayer& layer = network.layers[l];
    std::vector<double> rows;
    for (Index i = 0; i < layer.weight.rows; ++i) rows.push_back(row_norm(layer.weight, i));
    all.rows.push_back(rows);
    features = affine(layer, features);
    all.inputs.push_back(features);
    for (double& value : features) value = network.f(value);
  }
  return all;
}

// A Lipschitz constant of the network (one output) in the ball of radius r.
double constant_within(const Local& at, double r) {
  double reach = r, constant = 1;  // how far the features can move; of the map to them
  std::vector<Interval> slopes;
  for (std::size_t l = 0; l < at.norms.size(); ++l) {
    double steepest = 0;
    for (std::size_t i = 0; i < at.inputs[l].size(); ++i) {
      // A little wider than the ball, for the rounding in the pre-activation.
      const double z = at.inputs[l][i], half = at.rows[l][i] * reach * (1 + 1e-9) + 1e-12 * (1 + std::abs(z));
      slopes.push_back(at.slopes(z - half, z + half));
      steepest = std::max({steepest, slopes.back().high, -slopes.back().low});
    }
    reach *= steepest * at.norms[l];
    constant *= steepest * at.norms[l];
  }
  const Matrix& last = at.network.layers.back().weight;
  constant *= row_norm(last, 0);
  if (at.norms.size() != 1) return constant;
  return std::min(constant, vertex_bound(at.network.layers[0].weight, at.norms[0], last, slopes));
}

// The largest r with r <= margin / constant_within(r), from below.
Certificate grown(const PlainNetwork& network, const std::vector<double>& norms, const std::vector<double>& x,
                  const Certificate& everywhere) {
  if (!(everywhere.radius > 0) || std::isinf(everywhere.radius)) return everywhere;
  const Local at = local(network, norms, x);
  const auto holds = [&](double r) { return r * constant_within(at, r) <= everywhere.margin * shortened; };
  double low = everywhere.radius, high = low;
  for (int i = 0; i < 60 && holds(high); ++i) low = high, high *= 2;
  for (int i = 0; i < 40; ++i) (holds(0.5 * (low + high)) ? low : high) = 0.5 * (low + high);
  return {everywhere.margin, std::min(everywhere.lipschitz, everywhere.margin / low), low};
}

// By the product of all norms; `hidden` is that of all layers but the last, and of the activations.
Certificate of_difference(const PlainNetwork& difference, double hidden, const std::vector<double>& x) {
  const double margin = evaluate(difference, x).front();
  const double constant = hidden * row_norm(difference.layers.back().weight, 0);
  if (!(margin > 0)) return {margin, constant, 0};
  return {margin, constant, constant > 0 ? margin / constant * shortened : infinity};
}

// For every other class the network whose one output is positive where `label` wins.
std::vector<PlainNetwork> differences(const char* operation, const PlainNetwork& network, const std::vector<double>& x,
                                      Index label) {
  check(operation, network, x);
  const Index classes = network.layers.back().weight.rows;
  if (label < 0 || label >= std::max<Index>(classes, 2) || classes < 1)
    failf(operation, "label {} of a network with {} outputs", label, classes);
  std::vector<PlainNetwork> all;
  if (classes == 1) {
    PlainNetwork signed_output = network;
    for (double& w : signed_output.layers.back().weight.data) w = label == 1 ? w : -w;
    for (double& b : signed_output.layers.back().bias) b = label == 1 ? b : -b;
    all.push_back(std::move(signed_output));
  }
  for (Index other = 0; other < classes; ++other)
    if (classes > 1 && other != label) all.push_back(logit_difference(network, label, other));
  return all;
}

Certificate weakest(const std::vector<PlainNetwork>& all, const std::function<Certificate(const PlainNetwork&)>& one) {
  Certificate worst{infinity, 0, infinity};
  double margin = infinity;
  for (const PlainNetwork& difference : all) {
    const Certificate c = one(difference);
    margin = std::min(margin, c.margin);
    if (c.radius < worst.radius || std::isinf(worst.radius)) worst = c;
  }
  worst.margin = margin;
  return worst;
}

}  // namespace

std::vector<double> evaluate(const PlainNetwork& network, const std::vector<double>& x) {
  check("evaluate", network, x);
  std::vector<double> features = x;
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    if (l > 0)
      for (double& value : features) value = network.f(value);
    features = affine(network.layers[l], features);
  }
  return features;
}

PlainNetwork logit_difference(const PlainNetwork& network, Index a, Index b) {
  check("logit_difference", network);
  const AffineLayer& last = network.layers.back();
  if (a < 0 || b < 0 || a >= last.weight.rows || b >= last.weight.rows || a == b)
    failf("logit_difference", "logit {} minus logit {} of {}", a, b, last.weight.rows);
  PlainNetwork difference = network;
  AffineLayer& row = difference.layers.back();
  row.weight = {1, last.weight.cols, {}};
  for (Index j = 0; j < last.weight.cols; ++j) row.weight.data.push_back(last.weight(a, j) - last.weight(b, j));
  if (!last.bias.empty()) row.bias = {last.bias[std::size_t(a)] - last.bias[std::size_t(b)]};
  return difference;
}

double product_bound(const PlainNetwork& network) {
  check("product_bound", network);
  return hidden_product(network, hidden_norms(network)) * norm(network.layers.back().weight);
}

double slope_interval_bound(const PlainNetwork& network, const std::vector<Interval>& slopes) {
  check("slope_interval_bound", network);
  if (network.layers.size() != 2 || network.layers[1].weight.rows != 1)
    failf("slope_interval_bound", "{} layers and {} outputs; two and one are needed", network.layers.size(),
          network.layers.back().weight.rows);
  const Matrix &w1 = network.layers[0].weight, &w2 = network.layers[1].weight;
  const std::size_t h = static_cast<std::size_t>(w1.rows);
  if (slopes.size() != h) failf("slope_interval_bound", "{} intervals of slopes for {} units", slopes.size(), h);
  for (const Interval& s : slopes)
    if (!(s.low <= s.high) || !std::isfinite(s.low) || !std::isfinite(s.high))
      failf("slope_interval_bound", "slopes between {} and {}", s.low, s.high);
  return vertex_bound(w1, h > 16 ? norm(w1) : 0, w2, slopes);
}

Certificate certify(const PlainNetwork& network, const std::vector<double>& x, Index label) {
  const std::vector<PlainNetwork> all = differences("certify", network, x, label);
  const double hidden = hidden_product(network, hidden_norms(network));
  return weakest(all, [&](const PlainNetwork& difference) { return of_difference(difference, hidden, x); });
}

Certificate certify_local(const PlainNetwork& network, const std::vector<double>& x, Index label) {
  const std::vector<PlainNetwork> all = differences("certify_local", network, x, label);
  const std::vector<double> norms = hidden_norms(network);
  const double hidden = hidden_product(network, norms);
  return weakest(all, [&](const PlainNetwork& difference) {
    return grown(difference, norms, x, of_difference(difference, hidden, x));
  });
}

}  // namespace gradus::theory

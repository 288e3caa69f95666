#include "gradus/nn/flow.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/data/synthetic.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/optim/adam.hpp"
#include "nn/support.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

// Parameters that are no longer 0, in float64.
template <class F>
F stirred(F flow, double size = 0.5, std::uint64_t seed = 1) {
  const NoGrad no_grad;
  flow.to(float64);
  Generator generator(seed);
  for (const auto& [name, parameter] : flow.named_parameters())
    Tensor(parameter).copy_(parameter + size * randn(parameter.shape(), {.dtype = float64, .generator = &generator}));
  return flow;
}

// By Gaussian elimination with row pivots.
double log_abs_determinant(std::vector<double> a, std::size_t n) {
  double result = 0;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    for (std::size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
    result += std::log(std::abs(a[k * n + k]));
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (std::size_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return result;
}

// log |det| of the Jacobian of `map` at each row of x, from one backward pass for each output.
template <class Map>
Tensor jacobian_log_det(Map map, const Tensor& x) {
  std::vector<double> result;
  const Index features = x.size(1);
  for (Index i = 0; i < x.size(0); ++i) {
    Tensor row = x.detach().slice(0, i, i + 1);
    row.requires_grad_();
    const Tensor y = map(row);
    std::vector<double> jacobian;
    for (Index j = 0; j < features; ++j)
      for (const double entry :
           to_vector<double>(grad(y.slice(1, j, j + 1).sum(), row, {.retain_graph = true, .allow_unused = true})))
        jacobian.push_back(entry);
    result.push_back(log_abs_determinant(jacobian, static_cast<std::size_t>(features)));
  }
  return from_vector(result);
}

void check_bijection(nn::Flow& flow, const Tensor& x) {
  const auto [y, log_det] = flow.forward_and_log_det(x);
  CHECK(y.shape() == x.shape());
  CHECK(log_det.shape() == Shape{x.size(0)});
  CHECK(largest_difference(flow.forward(x), y) == 0);
  const auto [back, back_log_det] = flow.inverse(y);
  CHECK(largest_difference(back, x) < 1e-12);
  CHECK(largest_difference(back_log_det, -log_det) < 1e-12);
  CHECK(largest_difference(jacobian_log_det([&](const Tensor& v) { return flow.forward(v); }, x), log_det) < 1e-12);
  CHECK(largest_difference(jacobian_log_det([&](const Tensor& v) { return flow.inverse(v).x; }, y), back_log_det) <
        1e-11);
}

nn::FlowSequence mixed(Index features) {
  Generator generator(5);
  return stirred(nn::FlowSequence{nn::Affine{features},
                                  nn::AffineCoupling{features, {.hidden = {7}, .activation = "tanh"}},
                                  nn::Permutation::random(features, generator), nn::ELUFlow{0.7},
                                  nn::AffineCoupling{features, {.hidden = {5, 3}, .activation = "gelu", .split = 1}},
                                  nn::Permutation::reversal(features)});
}

std::vector<std::string> names_of(const NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

const double not_a_number = std::nan(""), inf = std::numeric_limits<double>::infinity();

// One sample of one feature.
Tensor single(double value, DType dtype = float64) { return full({1, 1}, value, {.dtype = dtype}); }

}  // namespace

TEST_CASE("flow: each layer has an inverse, and the determinant of its Jacobian") {
  const Tensor x = normal_numbers({7, 5});
  const auto check = [&](auto flow) {
    CAPTURE(flow.type_name());
    check_bijection(flow, x);
    CHECK(flow.forward(zeros({0, 5}, {.dtype = float64})).shape() == Shape{0, 5});
    CHECK(flow.inverse(zeros({0, 5}, {.dtype = float64})).log_det.shape() == Shape{0});
  };
  Generator generator(3);
  check(nn::ELUFlow{});
  check(nn::ELUFlow{0.3});
  check(nn::ELUFlow{2.5});
  check(stirred(nn::Affine{5}));
  check(stirred(nn::AffineCoupling{5, {.hidden = {7}, .activation = "tanh"}}));
  check(stirred(nn::AffineCoupling{5, {.hidden = {}, .split = 4, .bound = 0.5}}));
  check(nn::Permutation::random(5, generator));
  check(nn::Permutation::reversal(5));
  check(nn::FlowSequence{});
  check(mixed(5));
  check(nn::FlowSequence{mixed(5), stirred(nn::Affine{5})});

  // From above -alpha only.
  nn::InverseELUFlow inverse{1.5};
  check_bijection(inverse, elu(x, 1.5));
  auto pair = nn::FlowSequence{nn::ELUFlow{1.5}, nn::InverseELUFlow{1.5}};
  check_bijection(pair, x);
  CHECK(largest_difference(pair.forward(x), x) < 1e-13);
  CHECK(largest_difference(pair.forward_and_log_det(x).log_det, zeros({7}, {.dtype = float64})) < 1e-13);
}

TEST_CASE("ELUFlow: values of reference") {
  const Tensor x = tensor({{-2, -0.5, 0, 0.3, 1.5}}, {.dtype = float64});
  nn::ELUFlow elu_flow;
  CHECK(elu_flow.forward_and_log_det(x).log_det.item() == doctest::Approx(-2.5).epsilon(1e-14));
  // With another alpha, log(alpha) for each of the two negative ones.
  CHECK(nn::ELUFlow{3}.forward_and_log_det(x).log_det.item() == doctest::Approx(-2.5 + 2 * std::log(3.0)));

  // The density of ELU(x), x standard normal: at -0.5, and its mass below 0 by the midpoint rule.
  nn::InverseELUFlow density;
  CHECK(std::abs(std::exp(flow_log_prob(density, single(-0.5)).item()) - 0.6274961) < 5e-8);
  const Index cells = 20000;
  const Tensor y = (arange(0, cells, 1, {.dtype = float64}) + 0.5).reshape({cells, 1}) / double(cells) - 1.0;
  CHECK(std::abs(flow_log_prob(density, y).exp().mean().item() - 0.5) < 1e-7);
}

TEST_CASE("ELUFlow: far out, and float32") {
  nn::ELUFlow flow{2};
  const Tensor far = tensor({{-1e4, 1e4}}, {.dtype = float64});
  const auto [y, log_det] = flow.forward_and_log_det(far);
  CHECK(to_vector<double>(y) == std::vector<double>{-2, 1e4});
  CHECK(log_det.item() == -1e4 + std::log(2.0));
  CHECK(thrown([&] { (void)flow.inverse(y); }).find("outside") != std::string::npos);
  // The last number above -alpha still has an inverse that is finite, in either type.
  for (const double alpha : {0.1, 0.3, 0.7, 1.0, 3.3}) {
    CAPTURE(alpha);
    nn::ELUFlow other{alpha};
    const float nearest = std::nextafter(static_cast<float>(-alpha), 0.0f);
    CHECK(std::isfinite(other.inverse(from_vector<float>({nearest}, {1, 1})).x.item()));
    const double nearest64 = std::nextafter(-alpha, 0.0);
    CHECK(std::isfinite(other.inverse(single(nearest64)).x.item()));
    check_contains(thrown([&] { (void)other.inverse(single(-alpha, float32)); }), {"outside of the range"});
  }
}

TEST_CASE("ELUFlow: errors") {
  for (const double alpha : {0.0, -1.0, not_a_number, inf}) {
    check_contains(thrown([&] { (void)nn::ELUFlow{alpha}; }), {"ELUFlow", "alpha is"});
    check_contains(thrown([&] { (void)nn::InverseELUFlow{alpha}; }), {"alpha is"});
  }
  nn::ELUFlow flow{0.5};
  nn::InverseELUFlow inverse{0.5};
  const Tensor y = tensor({{0.1, -0.4, 3}, {0, -0.625, 0}}, {.dtype = float64});
  check_contains(thrown([&] { (void)flow.inverse(y); }),
                 {"ELUFlow::inverse", "-0.625", "sample 1", "feature 1", "(-0.5, inf)", "alpha = 0.5"});
  check_contains(thrown([&] { (void)inverse.forward(y.to(float32)); }), {"InverseELUFlow", "-0.625", "(-0.5, inf)"});
  check_contains(thrown([&] { (void)flow_log_prob(inverse, y); }), {"-0.625"});
  check_contains(thrown([&] { (void)flow.inverse(single(-0.5, float32)); }), {"-0.5", "outside"});
  check_contains(thrown([&] { (void)flow.inverse(single(not_a_number)); }), {"nan"});
  check_contains(thrown([&] { (void)flow.forward(zeros({3})); }), {"(3)", "(N, D)"});
  check_contains(thrown([&] { (void)flow.forward(zeros({3, 1, 2})); }), {"(3, 1, 2)"});
  check_contains(thrown([&] { (void)flow.inverse(zeros({3})); }), {"(N, D)"});
  check_contains(thrown([&] { (void)flow.forward(zeros({3, 2}, {.dtype = int64})); }), {"int64"});
}

TEST_CASE("Affine: formula, initialisation, errors") {
  nn::Affine flow{2};
  flow.to(float64);
  CHECK(names_of(flow.named_parameters()) == std::vector<std::string>{"log_scale", "shift"});
  const Tensor x = normal_numbers({50, 2}) * tensor({3, 0.1}, {.dtype = float64}) + 7.0;
  CHECK(largest_difference(flow.forward(x), x) == 0);
  flow.initialize(x);
  const Tensor y = flow.forward(x).detach();
  CHECK(largest_difference(y.mean({.axes = {0}}), zeros({2}, {.dtype = float64})) < 1e-12);
  CHECK(largest_difference(y.var({.axes = {0}, .correction = 0}), ones({2}, {.dtype = float64})) < 1e-12);
  CHECK(flow.log_scale.requires_grad());

  flow.log_scale = tensor({std::log(2.0), std::log(5.0)}, {.dtype = float64});
  flow.shift = tensor({1, -1}, {.dtype = float64});
  const auto [z, log_det] = flow.forward_and_log_det(tensor({{1, 2}, {0, -1}}, {.dtype = float64}));
  CHECK(largest_difference(z, tensor({{3, 9}, {1, -6}}, {.dtype = float64})) < 1e-14);
  CHECK(largest_difference(log_det, full({2}, std::log(10.0), {.dtype = float64})) < 1e-15);

  const Tensor before = flow.shift.clone();
  check_contains(thrown([&] {
                   flow.initialize(tensor({{1, 4}, {2, 4}}, {.dtype = float64}));
                 }),
                 {"Affine::initialize", "feature 1", "is 0"});
  check_contains(thrown([&] {
                   flow.initialize(tensor({{not_a_number, 4}, {2, 5}}, {.dtype = float64}));
                 }),
                 {"feature 0"});
  check_contains(thrown([&] { flow.initialize(ones({1, 2}, {.dtype = float64})); }), {"1 samples"});
  check_contains(thrown([&] { flow.initialize(ones({3, 2})); }), {"float32", "float64"});
  CHECK(largest_difference(flow.shift, before) == 0);
  check_contains(thrown([] { (void)nn::Affine{0}; }), {"Affine", "0 features"});
  check_contains(thrown([&] { (void)flow.forward(zeros({4, 3}, {.dtype = float64})); }), {"(4, 3)", "(N, 2)"});
  check_contains(thrown([&] { (void)flow.inverse(zeros({4, 3}, {.dtype = float64})); }), {"(4, 3)", "(N, 2)"});
}

TEST_CASE("AffineCoupling: formula, start, state, errors") {
  // r = 3 a, t = -a for one feature passed on and one changed.
  const nn::Lambda network{[](const Tensor& a) { return cat({3.0 * a, -a}, 1); }};
  nn::AffineCoupling own{2, network, {.bound = 1.5}};
  const auto [y, log_det] = own.forward_and_log_det(tensor({{0.4, 2}, {-100, 1}}, {.dtype = float64}));
  const double s = 1.5 * std::tanh(1.2 / 1.5);
  CHECK(largest_difference(
            y, tensor({{0.4, 2 * std::exp(s) - 0.4}, {-100, std::exp(-1.5) + 100}}, {.dtype = float64})) < 1e-13);
  CHECK(largest_difference(log_det, tensor({s, -1.5}, {.dtype = float64})) < 1e-14);

  nn::AffineCoupling made{5, {.hidden = {7}}};
  CHECK(made.split() == 2);
  CHECK(nn::parameter_count(made) == 2 * 7 + 7 + 7 * 6 + 6);
  CHECK(names_of(made.named_parameters()) == std::vector<std::string>{"conditioner.0.weight", "conditioner.0.bias",
                                                                      "conditioner.2.weight", "conditioner.2.bias"});
  const Tensor x = normal_numbers({4, 5}, 2, float32);
  CHECK(largest_difference(made.forward(x), x) == 0);
  for (const Tensor& parameter : made.parameters()) CHECK(parameter.requires_grad());

  nn::AffineCoupling copy = nn::clone(made);
  for (const Tensor& parameter : copy.parameters()) Tensor(parameter).set_data(ones(parameter.shape()));
  CHECK(largest_difference(copy.forward(x), x) > 0.1);
  CHECK(largest_difference(made.forward(x), x) == 0);
  made.load_state_dict(copy.state_dict());
  CHECK(largest_difference(made.forward(x), copy.forward(x)) == 0);

  using nn::AffineCoupling;
  check_contains(thrown([] { (void)AffineCoupling{1}; }), {"AffineCoupling", "1 features", "2"});
  check_contains(thrown([] { (void)AffineCoupling{-3}; }), {"-3 features"});
  check_contains(thrown([] { (void)AffineCoupling{3, {.split = 3}}; }), {"3 of 3"});
  check_contains(thrown([] { (void)AffineCoupling{3, {.split = 0}}; }), {"0 of 3"});
  for (const double bound : {0.0, -1.0, not_a_number, inf})
    check_contains(thrown([&] { (void)AffineCoupling{3, {.bound = bound}}; }), {"bound"});
  check_contains(thrown([] { (void)AffineCoupling{3, {.hidden = {4, 0}}}; }), {"hidden width of 0"});
  check_contains(thrown([] { (void)AffineCoupling{3, {.activation = "rleu"}}; }), {"rleu", "relu"});
  AffineCoupling wrong{4, nn::Linear{2, 3}};
  check_contains(thrown([&] { (void)wrong.forward(zeros({5, 4})); }), {"conditioner", "(5, 3)", "(5, 4)"});
  check_contains(thrown([&] { (void)wrong.inverse(zeros({5, 4})); }), {"AffineCoupling::inverse", "(5, 3)"});
  check_contains(thrown([&] { (void)made.forward(zeros({5, 4})); }), {"(5, 4)", "(N, 5)"});
}

TEST_CASE("Permutation: order, state, errors") {
  nn::Permutation flow{{2, 0, 1}};
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(to_vector<float>(flow.forward(x)) == std::vector<float>{3, 1, 2, 6, 4, 5});
  CHECK(to_vector<float>(flow.inverse(x).x) == std::vector<float>{2, 3, 1, 5, 6, 4});
  auto reversal = nn::Permutation::reversal(3);
  CHECK(to_vector<float>(reversal.forward(x)) == std::vector<float>{3, 2, 1, 6, 5, 4});

  Generator a(1), b(1), c(2);
  const auto drawn = nn::Permutation::random(31, a), again = nn::Permutation::random(31, b),
             other = nn::Permutation::random(31, c);
  CHECK(to_vector<Index>(drawn.order) == to_vector<Index>(again.order));
  CHECK(to_vector<Index>(drawn.order) != to_vector<Index>(other.order));

  CHECK(names_of(flow.state_dict()) == std::vector<std::string>{"order"});
  CHECK(flow.parameters().empty());
  reversal.load_state_dict(flow.state_dict());
  CHECK(to_vector<float>(reversal.forward(x)) == to_vector<float>(flow.forward(x)));

  check_contains(thrown([] { (void)nn::Permutation(std::vector<Index>{}); }), {"Permutation", "0 features"});
  check_contains(thrown([] { (void)nn::Permutation({0, 2, 2}); }), {"2 at place 2", "already"});
  check_contains(thrown([] { (void)nn::Permutation({0, 3, 1}); }), {"3 at place 1", "0 to 2"});
  check_contains(thrown([] { (void)nn::Permutation({0, -1, 1}); }), {"-1 at place 1"});
  check_contains(thrown([] { (void)nn::Permutation::reversal(0); }), {"0 features"});
  check_contains(thrown([] {
                   Generator g;
                   (void)nn::Permutation::random(-2, g);
                 }),
                 {"-2 features"});
  // A state may hold anything.
  flow.load_state_dict({{"order", labels_of({1, 1, 0})}});
  check_contains(thrown([&] { (void)flow.forward(x); }), {"Permutation", "1 at place 1"});
  check_contains(thrown([&] { (void)flow.inverse(x); }), {"Permutation::inverse", "1 at place 1"});
}

TEST_CASE("FlowSequence: state, errors") {
  nn::FlowSequence flow{nn::ELUFlow{}, nn::Affine{3}, nn::Permutation{{2, 0, 1}}};
  CHECK(flow.size() == 3);
  CHECK(flow.features() == 3);
  CHECK(flow[1].features() == 3);
  CHECK(names_of(flow.state_dict()) == std::vector<std::string>{"1.log_scale", "1.shift", "2.order"});
  check_contains(thrown([&] { (void)flow[3]; }), {"no flow 3 among 3"});
  check_contains(thrown([&] { flow.push_back(nn::Affine{4}); }), {"FlowSequence", "Affine", "4 features", "3"});
  CHECK(flow.size() == 3);
  check_contains(thrown([&] { (void)flow.forward(zeros({2, 4})); }), {"(2, 4)", "(N, 3)"});
  nn::FlowSequence copy = nn::clone(flow);
  copy[1].parameters()[0].set_data(ones({3}));
  CHECK(flow[1].parameters()[0].sum().item() == 0);
}

TEST_CASE("flow_log_prob: values and derivatives") {
  // The identity leaves the standard normal density.
  nn::FlowSequence identity;
  const Tensor point = tensor({{1, -2}}, {.dtype = float64});
  CHECK(flow_log_prob(identity, point).item() == doctest::Approx(-2.5 - std::log(2 * std::numbers::pi)));
  // N(mean, deviation) from an affine flow.
  nn::Affine affine{1};
  affine.log_scale = tensor({-std::log(3.0)}, {.dtype = float64});
  affine.shift = tensor({-2.0 / 3}, {.dtype = float64});
  CHECK(flow_log_prob(affine, single(5)).item() ==
        doctest::Approx(-0.5 - std::log(3 * std::sqrt(2 * std::numbers::pi))));

  nn::FlowSequence flow = mixed(3);
  check_derivatives([&](const std::vector<Tensor>& v) { return flow_log_prob(flow, v[0]); }, {leaf({4, 3}, 7)});
  nn::InverseELUFlow inverse{0.7};
  check_derivatives([&](const std::vector<Tensor>& v) { return flow_log_prob(inverse, v[0]); },
                    {tensor({{0.4, -0.3}, {-0.6, 2}}, {.dtype = float64, .requires_grad = true})});
  // With respect to the parameters: scale, shift, and a conditioner's weight.
  check_derivatives(
      [](const std::vector<Tensor>& v) {
        nn::Affine affine_{3};
        affine_.log_scale = v[0];
        affine_.shift = v[1];
        nn::AffineCoupling coupling{3, nn::Lambda{[w = v[2]](const Tensor& a) { return matmul(a, w); }}};
        nn::FlowSequence all{affine_, nn::Permutation::reversal(3), coupling, nn::ELUFlow{0.8}};
        return flow_log_prob(all, v[3]);
      },
      {leaf({3}, 3), leaf({3}, 4), leaf({1, 4}, 5), leaf({4, 3}, 7)});
}

TEST_CASE("flow_log_prob: a density, in two dimensions") {
  nn::FlowSequence flow =
      stirred(nn::FlowSequence{nn::AffineCoupling{2, {.hidden = {8}, .activation = "tanh", .bound = 0.5}},
                               nn::Permutation::reversal(2), nn::Affine{2},
                               nn::AffineCoupling{2, {.hidden = {8}, .activation = "elu", .bound = 0.5}}},
              0.4, 3);
  const NoGrad no_grad;
  const Index side = 300;
  const double reach = 15, step = 2 * reach / double(side);
  const Tensor axis = (arange(0, side, 1, {.dtype = float64}) + 0.5) * step - reach;
  const Tensor grid = stack({axis.reshape({side, 1}).expand({side, side}).reshape({side * side}),
                             axis.expand({side, side}).reshape({side * side})},
                            1);
  const Tensor density = flow_log_prob(flow, grid).exp();
  CHECK(std::abs(density.sum().item() * step * step - 1) < 1e-3);
  // It is not the normal density that it started as.
  nn::FlowSequence identity;
  CHECK(largest_difference(density, flow_log_prob(identity, grid).exp()) > 0.02);
}

TEST_CASE("flow_sample: the inverse of normal numbers") {
  nn::Affine flow{2};
  flow.to(float64);
  flow.log_scale = tensor({-std::log(3.0), 0}, {.dtype = float64});
  flow.shift = tensor({-2.0 / 3, 1}, {.dtype = float64});
  const Index n = 20000;
  Generator a(4), b(4);
  const Tensor x = flow_sample(flow, n, a);
  CHECK(x.dtype() == float64);
  CHECK(largest_difference(flow.forward(x), randn({n, 2}, {.dtype = float64, .generator = &b})) < 1e-13);
  // Mean (2, -1), deviation (3, 1): within five standard errors.
  CHECK(largest_difference(x.mean({.axes = {0}}), tensor({2, -1}, {.dtype = float64})) < 5 * 3 / std::sqrt(double(n)));
  CHECK(largest_difference(x.std({.axes = {0}}), tensor({3, 1}, {.dtype = float64})) <
        5 * 3 / std::sqrt(2.0 * double(n)));
  CHECK(flow_sample(flow, 0, a).shape() == Shape{0, 2});

  nn::InverseELUFlow any;
  const Tensor y = flow_sample(any, 100, a, {.features = 3});
  CHECK(y.shape() == Shape{100, 3});
  CHECK(y.dtype() == float32);
  CHECK(y.min().item() > -1);
  CHECK(flow_sample(any, 2, a, {.features = 3, .dtype = float64}).dtype() == float64);
  check_contains(thrown([&] { (void)flow_sample(any, 4, a); }), {"flow_sample", "InverseELUFlow", "options.features"});
  check_contains(thrown([&] { (void)flow_sample(flow, 4, a, {.features = 3}); }), {"3 features", "2"});
  check_contains(thrown([&] { (void)flow_sample(flow, -1, a); }), {"-1 samples"});
  // ELU reaches no base sample below -alpha.
  nn::ELUFlow half;
  check_contains(thrown([&] { (void)flow_sample(half, 100, a, {.features = 1}); }), {"ELUFlow::inverse", "(-1, inf)"});
}

TEST_CASE("flow: training lowers the negative log likelihood") {
  manual_seed(1);
  const Tensor x = data::two_moons(200, {.noise = 0.05, .seed = 1}).x;
  nn::Affine first{2};
  first.initialize(x);
  nn::FlowSequence flow{first, nn::AffineCoupling{2, {.hidden = {32}, .activation = "elu"}},
                        nn::Permutation::reversal(2), nn::AffineCoupling{2, {.hidden = {32}, .activation = "elu"}}};
  optim::Adam optimizer{flow.parameters(), {.lr = 0.02}};
  const auto loss = [&] { return -flow_log_prob(flow, x).mean(); };
  const double before = loss().item();
  for (int step = 0; step < 30; ++step) {
    optimizer.zero_grad();
    loss().backward();
    optimizer.step();
  }
  CAPTURE(before);
  const double after = loss().item();
  CAPTURE(after);
  CHECK(after < before - 0.2);
}

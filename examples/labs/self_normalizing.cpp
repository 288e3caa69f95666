// Do SELU networks keep their activations at mean 0 and variance 1, and their gradients in bounds?
//
// The two constants from their closed form; the map of mean and variance through a layer and where it contracts; random networks of 1000
// layers and several widths beside the theory of finite width; gradients through 100 layers; AlphaDropout beside Dropout; and networks of
// 16 layers trained on a table of data (--data; else on the built-in digits). The derivations are in docs/labs/self_normalizing.md. Takes a
// few minutes. What you should see: statistics that stay near 0 and 1 through all layers, the nearer the wider the network is; and
// gradients that do grow, 32 times over 100 layers.
#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/mlp.hpp>
#include <gradus/models/self_normalizing.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/selu.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

activations::Function selu_function() { return activations::activation("selu"); }

// -- theory

void constants(lab::Run& run, lab::Claim& e5) {
  run.section("The constants");
  const theory::SeluConstants c = theory::selu_constants();
  run.say(fmt::format("alpha = {:.19f}, lambda = {:.19f}, lambda alpha = {:.19f}", c.alpha, c.scale, c.alpha * c.scale));
  const theory::Moments m = theory::gaussian_moments("selu");
  e5.equal("E SELU(Z), Z ~ N(0, 1)", 0, m.mean, {.absolute = 1e-14});
  e5.equal("E SELU(Z)^2", 1, m.second, {.absolute = 1e-14});
  const double far = 1e3;
  e5.equal("lambda, and the library's SELU at 1000, over 1000", double(c.scale), selu_function()(far) / far, {.relative = 1e-15});
  e5.equal("lambda alpha, and minus the library's SELU at -1000", double(c.scale * c.alpha), -selu_function()(-far), {.relative = 1e-15});
  e5.holds("to four places they are the chapter's 1.6733 (it writes 1.6732, cut off) and 1.0507",
           std::fabs(double(c.alpha) - 1.6733) < 5e-5 && std::fabs(double(c.scale) - 1.0507) < 5e-5);
}

void contraction(lab::Run& run, lab::Claim& e5) {
  run.section("The map of mean and variance");
  const auto f = selu_function();
  const theory::MomentJacobian j = theory::moment_map_jacobian(f, {});
  const double h = 1e-5;
  const auto difference = [&](double dm, double dv) {
    const theory::MomentState up = theory::moment_map(f, {dm, 1 + dv}), down = theory::moment_map(f, {-dm, 1 - dv});
    return std::pair{(up.mean - down.mean) / (2 * h), (up.variance - down.variance) / (2 * h)};
  };
  const auto [mean_by_mean, variance_by_mean] = difference(h, 0);
  const auto [mean_by_variance, variance_by_variance] = difference(0, h);
  e5.equal("Jacobian at (0, 1), d mean / d mean, and by differences", j.mean_by_mean, mean_by_mean, {.absolute = 1e-8});
  e5.equal("d mean / d variance", j.mean_by_variance, mean_by_variance, {.absolute = 1e-8});
  e5.equal("d variance / d mean", j.variance_by_mean, variance_by_mean, {.absolute = 1e-8});
  e5.equal("d variance / d variance", j.variance_by_variance, variance_by_variance, {.absolute = 1e-8});
  e5.at_most("its spectral norm", 0.788, j.spectral_norm(), "Klambauer et al. give 0.7877");

  double largest = 0;
  const int points = run.pick(7, 4);
  const auto at = [&](double low, double high, int i) { return low + (high - low) * i / (points - 1); };
  for (int a = 0; a < points; ++a)
    for (int b = 0; b < points; ++b)
      for (int c = 0; c < points; ++c)
        for (int d = 0; d < points; ++d)
          largest = std::max(
              largest,
              theory::moment_map_jacobian(f, {at(-0.1, 0.1, a), at(0.8, 1.5, b)}, {at(-0.1, 0.1, c), at(0.95, 1.1, d)}).spectral_norm());
  e5.at_most("largest spectral norm on a grid of the theorem's domain (mean, omega within 0.1 of 0, variance 0.8 to 1.5, tau 0.95 to 1.1)",
             1, largest);
  e5.at_least("spectral norm at variance 0.1: no contraction there", 1, theory::moment_map_jacobian(f, {0, 0.1}).spectral_norm());

  theory::MomentState he, low{0, 0.1};
  bool rising = true;
  for (int layer = 0; layer < 200; ++layer) {
    he = theory::moment_map(f, {0, he.variance + he.mean * he.mean}, {.sum = 0, .squares = 2});
    const theory::MomentState next = theory::moment_map(f, low);
    rising = rising && next.variance >= low.variance - 1e-14;
    low = next;
  }
  e5.holds("from variance 0.1 the variance returns to 1, rising all the way", rising && std::fabs(low.variance - 1) < 1e-9);
  e5.at_least("with He's weights (tau = 2) the variance after 200 layers", 100, he.variance,
              "tau lambda^2 / 2 = lambda^2 is above 1: the positive half alone makes the mean square grow");
}

// -- random networks

// Layers of `width` SELU units without biases, weights normal with variance 1 / width (or dropout's layers between).
struct Statistics {
  std::vector<double> mean, variance;  // of each layer, over units and samples
  std::vector<double> sample_seconds;  // mean squares over the units, one for each sample and every 50th layer from the 100th on
};

using Between = std::function<Tensor(const Tensor&)>;

Statistics propagate(lab::Run& run, Index width, Index layers, Index samples, double variance, const Between& between = {}) {
  const NoGrad no_grad;
  Tensor h = std::sqrt(variance) * randn({samples, width});
  Statistics s;
  for (Index layer = 1; layer <= layers; ++layer) {
    run.check_interrupt();
    h = selu(matmul(h, randn({width, width}) / std::sqrt(double(width))));
    if (between) h = between(h);
    const double m = mean(h).item(), second = mean(square(h)).item();
    s.mean.push_back(m);
    s.variance.push_back(second - m * m);
    if (layer >= 100 && layer % 50 == 0)
      for (const float v : to_vector<float>(mean(square(h), {.axes = {1}}))) s.sample_seconds.push_back(v);
  }
  return s;
}

double furthest_from(double center, const std::vector<double>& values) {
  double worst = 0;
  for (const double v : values) worst = std::max(worst, std::fabs(v - center));
  return worst;
}

// The mean square q of a sample in a layer is a mean of `width` independent f(Z)^2, Z ~ N(0, q of the layer before): a Markov chain around
// 1 with slope V'(1) and noise Var f^2 / width.
double spread_of_seconds(Index width) {
  const auto f = selu_function();
  const double fourth = theory::gaussian_expectation([&](double x) { return std::pow(f(x), 4); }, {}, {0});
  const double slope = theory::moment_map_jacobian(f, {}).variance_by_variance;
  return std::sqrt((fourth - 1) / double(width) / (1 - slope * slope));
}

void thousand_layers(lab::Run& run, lab::Claim& e5) {
  run.section("1000 layers");
  Table table({"width", Column("largest |mean|").significant(3), Column("largest |variance - 1|").significant(3),
               Column("spread of single samples' mean squares").significant(4), Column("predicted").significant(4)});
  Figure figure("1000 layers of SELU: mean and variance of each layer");
  auto& means = figure.panel("mean over units and samples").x_label("layer");
  auto& variances = figure.panel("variance over units and samples").x_label("layer");
  std::vector<double> layer_numbers(1000);
  for (std::size_t i = 0; i < layer_numbers.size(); ++i) layer_numbers[i] = double(i + 1);
  for (const Index width : run.pick<std::vector<Index>>({16, 64, 256, 512}, {16, 256})) {
    const Index samples = run.pick<Index>(256, 128);
    const Statistics s = propagate(run, width, 1000, samples, 1);
    const double mean_off = furthest_from(0, s.mean), variance_off = furthest_from(1, s.variance);
    const double spread = report::sample_std(s.sample_seconds), predicted = spread_of_seconds(width);
    table.row({width, mean_off, variance_off, spread, predicted});
    means.line(fmt::format("width {}", width), layer_numbers, s.mean, {.width = 1});
    variances.line(fmt::format("width {}", width), layer_numbers, s.variance, {.width = 1});
    if (width < 256) continue;
    e5.at_most(fmt::format("width {}: largest |mean| of 1000 layers", width), 0.1, mean_off);
    e5.at_most(fmt::format("width {}: largest |variance - 1|", width), 0.2, variance_off);
    const double error =
        predicted / std::sqrt(2.0 * double(s.sample_seconds.size()) / 4);  // neighbouring layers and samples are not quite independent
    e5.measured(fmt::format("width {}: spread of single samples' mean squares", width), predicted, spread, error,
                {.systematic = 0.1 * predicted}, "to leading order in 1 / width");
  }
  run.table(table);
  run.say("Over all samples the statistics stay; a single sample's do not: their spread goes with 1 / sqrt(width).");
  run.figure("layers", std::move(figure), "Weights normal with variance 1 / width, standard normal inputs.");
}

void from_far(lab::Run& run, lab::Claim& e5) {
  const Index layers = 12, nets = run.pick<Index>(16, 6), width = run.pick<Index>(512, 256);
  std::vector<std::vector<double>> by_layer(static_cast<std::size_t>(layers));
  for (Index net = 0; net < nets; ++net) {
    const Statistics s = propagate(run, width, layers, 64, 0.1);
    for (std::size_t l = 0; l < by_layer.size(); ++l) by_layer[l].push_back(s.variance[l]);
  }
  theory::MomentState state{0, 0.1};
  for (std::size_t l = 0; l < by_layer.size(); ++l) {
    // The mean over the units of a layer feeds on through weights whose sum is about 0: the next sums have mean 0 and the variance E f^2.
    const double second = l == 0 ? 0.1 : state.variance + state.mean * state.mean;
    state = theory::moment_map(selu_function(), {0, second});
    if (l % 3 == 2)
      e5.measured(fmt::format("from variance 0.1: variance after {} layers of width {}", l + 1, width), state.variance, by_layer[l],
                  {.systematic = 6.0 / double(width)});
  }
}

// |dL/dh_0|^2 over |dL/dh_L|^2 for a random direction dL/dh_L: E f'^2 to the power of L.
void gradients(lab::Run& run, lab::Claim& e5) {
  run.section("Gradients");
  const double gain = theory::gaussian_moments("selu").slope_second;
  const Index nets = run.pick<Index>(48, 12), width = run.pick<Index>(512, 256);
  for (const Index depth : run.pick<std::vector<Index>>({30, 100}, {30})) {
    std::vector<double> ratios;
    for (Index net = 0; net < nets; ++net) {
      run.check_interrupt();
      const Tensor x = randn({16, width}).requires_grad_();
      Tensor h = x;
      for (Index layer = 0; layer < depth; ++layer) h = selu(matmul(h, randn({width, width}) / std::sqrt(double(width))));
      const Tensor out = randn(h.shape());
      const Tensor back = grad(h, x, {.grad_output = out});
      ratios.push_back(sum(square(back)).item() / sum(square(out)).item());
    }
    const double predicted = std::pow(gain, double(depth));
    e5.measured(fmt::format("squared gradient over {} layers of width {}: 1.0715750^{}", depth, width, depth), predicted, ratios,
                {.systematic = predicted * double(depth) / double(width)}, "systematic: of the order of depth / width");
  }
  e5.equal("E f'^2 of SELU, and the closed form lambda^2 (1 + alpha^2 e^2 erfc(sqrt 2)) / 2", gain,
           [] {
             const theory::SeluConstants c = theory::selu_constants();
             return double(c.scale * c.scale) * (1 + double(c.alpha * c.alpha) * std::exp(2.0) * std::erfc(std::sqrt(2.0))) / 2;
           }(),
           {.relative = 1e-13});
  e5.report("rms gain over 100 layers", std::pow(gain, 50));
}

// -- dropout

void dropout(lab::Run& run, lab::Claim& e5) {
  run.section("AlphaDropout and Dropout");
  const NoGrad no_grad;
  const Index batches = 50, draws = run.pick<Index>(40000, 8000);
  Table table({"p", Column("a").significant(10), Column("b").significant(10), "mean", "variance", "variance with Dropout",
               Column("1 / (1 - p)").significant(5)});
  for (const double p : {0.05, 0.1, 0.2}) {
    std::vector<double> mean_alpha, second_alpha, mean_plain, second_plain;
    for (Index b = 0; b < batches; ++b) {
      const Tensor y = selu(randn({draws}, {.dtype = float64}));
      const Tensor alpha = nn::functional::alpha_dropout(y, p), plain = nn::functional::dropout(y, p);
      mean_alpha.push_back(mean(alpha).item());
      second_alpha.push_back(mean(square(alpha)).item());
      mean_plain.push_back(mean(plain).item());
      second_plain.push_back(mean(square(plain)).item());
    }
    const std::string what = fmt::format("p = {:g}: ", p);
    e5.measured(what + "mean after AlphaDropout", 0, mean_alpha);
    e5.measured(what + "variance after AlphaDropout", 1, second_alpha);
    e5.measured(what + "mean after Dropout", 0, mean_plain);
    e5.measured(what + "variance after Dropout: 1 / (1 - p)", 1 / (1 - p), second_plain);
    const theory::AlphaDropoutAffine affine = theory::alpha_dropout_affine(p);
    table.row({p, affine.scale, affine.shift, report::plus_minus(report::mean(mean_alpha), report::standard_error(mean_alpha)),
               report::plus_minus(report::mean(second_alpha), report::standard_error(second_alpha)),
               report::plus_minus(report::mean(second_plain), report::standard_error(second_plain)), 1 / (1 - p)});
  }
  run.table(table);

  // Through many layers: Dropout moves the fixed point, q = E f(sqrt q Z)^2 / keep.
  const double p = 0.1;
  theory::MomentState state;
  for (int i = 0; i < 1000; ++i) state = theory::moment_map(selu_function(), {0, (state.variance + state.mean * state.mean) / (1 - p)});
  const double moved = (state.variance + state.mean * state.mean) / (1 - p);
  const Index width = run.pick<Index>(512, 256), layers = run.pick<Index>(200, 80);
  const auto settled = [&](const Between& between) {
    const Statistics s = propagate(run, width, layers, 128, 1, between);
    std::vector<double> second;
    for (std::size_t l = std::size_t(layers) / 2; l < s.mean.size(); l += 10) second.push_back(s.variance[l] + s.mean[l] * s.mean[l]);
    return second;
  };
  e5.measured("mean square far down a network with Dropout, p = 0.1", moved,
              settled([&](const Tensor& h) { return nn::functional::dropout(h, p); }), {.systematic = 10 * moved / double(width)});
  e5.measured("mean square far down a network with AlphaDropout, p = 0.1", 1,
              settled([&](const Tensor& h) { return nn::functional::alpha_dropout(h, p); }), {.systematic = 10 / double(width)});
}

// -- training

struct Parts {
  data::Dataset train, test;
  std::string what;
};

Parts table_data(lab::Run& run) {
  const auto file = run.quick() ? std::nullopt : run.data("tabular/california_housing.csv");
  if (!file) {
    if (!run.quick()) run.skip("California housing", "--data has no tabular/california_housing.csv; the built-in digits stand in");
    data::Dataset all = data::digits();
    all.x = all.x.flatten(1);
    auto [train, test] = data::split(all, {.test_fraction = 0.3, .stratify = true, .seed = 1});
    const data::Standardize scale(train.x);
    return {scale(train), scale(test), "digits: test error, %"};
  }
  const data::Dataset all = data::csv(
      file->string(),
      {.target = std::string("median_house_value"), .task = data::Task::regression, .missing = data::Missing::mean, .categorical = true});
  auto [train, test] = data::split(all, {.test_fraction = 0.3, .seed = 1});
  const data::Standardize scale(train.x), target(train.y);
  train.y = target(train.y);
  test.y = target(test.y);
  return {scale(train), scale(test), "California housing: test mean squared error over the variance"};
}

// 16 hidden layers; each kind with the starting weights that are made for it.
nn::Sequential deep(const std::string& kind, Index inputs, Index outputs, Index width) {
  const std::vector<Index> hidden(16, width);
  if (kind == "selu") return models::self_normalizing(inputs, outputs, {.hidden = hidden});
  nn::Sequential net = models::mlp(inputs, outputs, {.hidden = hidden, .activation = "relu", .batch_norm = kind == "relu + batch norm"});
  for (auto& [name, p] : net.named_parameters())
    if (p.dim() == 2) nn::init::kaiming_normal_(p);
  return net;
}

double test_error(nn::Module& net, const data::Dataset& test) {
  const Tensor out = train::predict(net, test.x);
  return test.is_classification() ? 100 * (1 - train::accuracy(out, test.y)) : mean(square(out - test.y)).item();
}

std::string training(lab::Run& run, lab::Claim& e5) {
  run.section("16 layers on a table of data");
  const Parts parts = table_data(run);
  const Index width = 64, outputs = parts.train.is_classification() ? parts.train.num_classes() : 1;
  const int seeds = run.pick(5, 2), epochs = parts.train.is_classification() ? 10 : 8;
  const std::vector<std::string> kinds{"selu", "relu + batch norm", "relu"};
  std::map<std::string, std::vector<double>> errors;
  for (const std::string& kind : kinds)
    for (int seed = 0; seed < seeds; ++seed) {
      run.check_interrupt();
      manual_seed(run.seed() + std::uint64_t(seed));
      nn::Sequential net = deep(kind, parts.train.x.size(1), outputs, width);
      optim::Adam optimizer{net.parameters(), {.lr = 1e-3}};
      data::DataLoader loader{parts.train, {.batch_size = 128, .shuffle = true, .seed = run.seed() + std::uint64_t(seed)}};
      train::FitOptions options{.epochs = epochs};
      if (!parts.train.is_classification()) options.loss = [](const Tensor& a, const Tensor& b) { return nn::mse_loss(a, b); };
      options.on_step = [&](const train::StepRecord&) { return !program::stop; };
      const train::History history = train::fit(net, optimizer, loader, options);
      errors[kind].push_back(history.divergence ? std::nan("") : test_error(net, parts.test));
    }
  Table table({"network", Column("mean").significant(4), Column("standard error").significant(2)});
  Figure figure(parts.what);
  auto& panel = figure.panel().y_label("error").categories(kinds);
  std::vector<double> centers, lower, upper;
  for (const std::string& kind : kinds) {
    table.row({kind, report::mean(errors[kind]), report::standard_error(errors[kind])});
    centers.push_back(report::mean(errors[kind]));
    lower.push_back(centers.back() - report::sample_std(errors[kind]));
    upper.push_back(centers.back() + report::sample_std(errors[kind]));
    e5.report(fmt::format("{}, {}", parts.what, kind), report::mean(errors[kind]), report::standard_error(errors[kind]));
  }
  panel.bars("", report::Band{centers, lower, upper});
  run.table(table);
  run.figure(
      "training", std::move(figure),
      fmt::format("16 hidden layers of {} units, Adam, {} epochs; mean and standard deviation over {} seeds.", width, epochs, seeds));
  std::string sentence = parts.what + ", of 16 layers:";
  for (const char* other : {"relu + batch norm", "relu"}) {
    const report::Interval d = report::paired_difference_interval(errors["selu"], errors[other]);
    sentence += fmt::format(" SELU minus {} {:+.3f} (95 % interval {:+.3f} to {:+.3f}): {};", other, d.center, d.lower, d.upper,
                            d.upper < 0   ? "better"
                            : d.lower > 0 ? "worse"
                                          : "not told apart");
  }
  sentence.back() = '.';
  return sentence;
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("self_normalizing", "Self-normalising networks",
               "Do SELU networks keep their activations at mean 0 and variance 1, and their gradients in bounds?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e5 = run.claim("E5",
                               "With weights of variance 1/n and AlphaDropout, the mean and variance of SELU activations provably converge "
                               "to the fixed point (0, 1) from layer to "
                               "layer, so gradients neither vanish nor explode, without normalisation layers.");
    constants(run, e5);
    contraction(run, e5);
    thousand_layers(run, e5);
    from_far(run, e5);
    gradients(run, e5);
    dropout(run, e5);
    const std::string trained = training(run, e5);
    e5.verdict(Verdict::holds_if,
               "For wide layers whose weights have sums near 0 and squares adding up to about 1, as they start: the map of mean and "
               "variance contracts there (0.788), not for any "
               "weights. The statistics of 1000 layers stay within 0.1 and 0.2 from width 256 on; a single sample's mean square still "
               "spreads with 1 / sqrt(width). Gradients "
               "do grow, by 1.0716 in the square for each layer, 32 times over 100: slowly, not never. AlphaDropout keeps the fixed point, "
               "Dropout moves it. " +
                   trained)
        .figure("layers");
  });
}

// Which units of a network stop learning on negatively biased data, and what brings them back?
//
// Pre-activations N(mu, 1) with mu from 0 to -3: how many slopes are exactly 0, and how many units are inactive on a
// whole batch, beside the theory. What floating point makes of "always positive". Then networks on digits whose first
// layer is pushed below 0: slopes of 0 and dead units, epoch by epoch and layer by layer; what revives them, and what
// does not. And whether ELU's mean is nearer to 0. The derivations are in docs/labs/dead_units.md. Takes about two
// minutes. What you should see: ReLU's zeros as predicted, none for ELU, GELU and Mish; that a zero slope on one sample
// is not a dead unit; and that dead units of the first layer do not move by a single bit.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/dead_units.hpp>
#include <gradus/theory/lipschitz.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/selu.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

activations::Function function(const std::string& name) { return activations::activation(name); }

// Every activation, the three that the chapter is about first.
std::vector<std::string> all_activations() {
  std::vector<std::string> names{"relu", "elu", "gelu"};
  for (const std::string& name : activations::names())
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}

// f'(x) by automatic differentiation.
Tensor slopes(const std::string& activation, const Tensor& x) {
  const Tensor leaf = x.detach().requires_grad_();
  return grad(sum(activate(function(activation), leaf)), leaf);
}

// 1 where a number is 0, else 0.
Tensor is_zero(const Tensor& x) { return 1 - abs(sign(x)); }
double mean_of(const Tensor& x) { return mean(x).item(); }

// ---- E1: slopes under a Gaussian ----

void zero_slopes(lab::Run& run, lab::Claim& e1) {
  run.section("Slopes that are 0 under N(mu, 1)");
  Table table({"activation", Column("mu = 0").percent(3), Column("-1").percent(3), Column("-2").percent(3),
               Column("-3").percent(3), Column("|slope| < 0.1 at -2").percent(1)});
  const Index batches = run.pick<Index>(50, 20), draws = run.pick<Index>(20000, 4000);
  for (const std::string& name : all_activations()) {
    std::vector<report::Cell> row{name};
    for (const double mu : {0.0, -1.0, -2.0, -3.0}) {
      run.check_interrupt();
      const double predicted = theory::dead_probability(function(name), {.mean = mu});
      row.emplace_back(predicted);
      std::vector<double> found;
      for (Index b = 0; b < batches; ++b)
        found.push_back(mean_of(is_zero(slopes(name, mu + randn({draws}, {.dtype = float64})))));
      // The error of the prediction itself: also right where nothing was found.
      const double error = std::sqrt(predicted * (1 - predicted) / double(batches * draws));
      e1.measured(fmt::format("{}, mu = {:g}: share of slopes that are 0", name, mu), predicted, report::mean(found),
                  error, {.sigmas = 5});
    }
    row.emplace_back(theory::small_slope_probability(function(name), 0.1, {.mean = -2}));
    table.row(row);
  }
  run.table(table);
  std::vector<double> small;
  for (Index b = 0; b < batches; ++b) {
    const Tensor s = slopes("elu", -2 + randn({draws}, {.dtype = float64}));
    small.push_back(mean_of(is_zero(1 - sign(0.1 - s))));
  }
  e1.measured("elu, mu = -2: share of slopes below 0.1",
              theory::small_slope_probability(function("elu"), 0.1, {.mean = -2}), small, {.sigmas = 5});
}

// A unit is dead when all samples find its slope to be 0. Unit rows and inputs N(0, I): pre-activations of different
// samples are independent.
void dead_batches(lab::Run& run, lab::Claim& e1) {
  const NoGrad no_grad;
  const Index inputs = 32, units = 200, repeats = run.pick<Index>(100, 20);
  struct Setting {
    std::string name;
    double mu;
    std::vector<Index> samples;
  };
  for (const auto& [name, mu, sizes] : {Setting{"relu", -2, {10, 50, 100}}, Setting{"hard_swish", -5, {10, 50, 100}},
                                        Setting{"softshrink", 0, {1, 2, 4}}, Setting{"elu", -2, {1, 10}},
                                        Setting{"gelu", -2, {1, 10}}, Setting{"mish", -2, {1, 10}}})
    for (const Index samples : sizes) {
      run.check_interrupt();
      const double predicted = theory::dead_unit_probability(function(name), samples, {.mean = mu});
      std::vector<double> found;
      for (Index r = 0; r < repeats; ++r) {
        nn::Linear layer(inputs, units);
        layer.to(float64);
        const Tensor rows = randn({units, inputs}, {.dtype = float64});
        layer.weight.copy_(rows / sqrt(sum(square(rows), {.axes = {1}, .keepdim = true})));
        layer.bias.fill_(mu);
        const Tensor z = layer(randn({samples, inputs}, {.dtype = float64}));
        const EnableGrad record;
        found.push_back(mean_of(min(is_zero(slopes(name, z)), {.axes = {0}})));
      }
      e1.measured(fmt::format("{}, mu = {:g}: chance that {} samples all have slope 0, a dead unit: P(f' = 0)^{}", name,
                              mu, samples, samples),
                  predicted, found, {.sigmas = 5});
    }
}

void floating_point(lab::Claim& e1) {
  const auto at = [](const std::string& name, double x, DType dtype) {
    return slopes(name, tensor({x}, {.dtype = dtype})).item();
  };
  const double single = theory::exp_vanishes_below<float>(), twofold = theory::exp_vanishes_below<double>();
  e1.report("e^x, and ELU's slope, is 0 in float below x =", single, std::nan(""))
      .report("and in double below x =", twofold);
  e1.holds("ELU's slope in double: above 0 just above that, 0 just below",
           at("elu", twofold + 0.1, float64) > 0 && at("elu", twofold - 0.1, float64) == 0);
  e1.holds("in float: 0 below", at("elu", single - 0.1, float32) == 0 && at("elu", -80, float32) > 0);
  e1.equal("ELU with alpha = 2: slope just left of 0", 2, at("elu(2)", -1e-12, float64), {.absolute = 1e-10});
  e1.equal("and just right of 0: there is none at 0", 1, at("elu(2)", 1e-12, float64), {});
  const theory::Extreme lowest = theory::derivative_range(function("mish"), 0, {-10, 10}).lowest;
  e1.report("Mish has one slope of 0, at x =", lowest.at);
  e1.at_most("its size there", 1e-8, std::fabs(at("mish", lowest.at, float64)));
}

// ---- E1: training ----

// Two hidden layers; the first one's biases start at `bias`, as if the data were shifted.
struct Network : nn::Module {
  nn::Linear first{64, 64}, second{64, 64}, last{64, 10};
  nn::BatchNorm1d norm;
  nn::Activation f;
  bool normalised;

  Network(const std::string& activation, double bias, bool with_norm)
      : norm(64), f(nn::activation(activation)), normalised(with_norm) {
    nn::init::lecun_normal_(first.weight);
    nn::init::constant_(first.bias, bias);
    nn::init::kaiming_normal_(second.weight, {.nonlinearity = "relu"});
    nn::init::zeros_(second.bias);
  }
  Tensor first_input(const Tensor& x) { return normalised ? norm(first(x)) : first(x); }
  Tensor second_input(const Tensor& z) { return second(f(z)); }
  Tensor forward(const Tensor& x) override { return last(f(second_input(first_input(x)))); }
  void visit(nn::Visitor& v) override {
    v("first", first), v("second", second), v("last", last);
    if (normalised) v("norm", norm);
  }
};

struct Layer {
  double zero_slopes, dead_units;  // shares
  Tensor dead;                     // 1 for each dead unit
};

Layer look(const std::string& activation, const Tensor& z) {
  const Tensor zero = is_zero(slopes(activation, z)), dead = min(zero, {.axes = {0}});
  return {mean_of(zero), mean_of(dead), dead};
}

std::vector<Layer> look(Network& network, const std::string& activation, const Tensor& x) {
  const bool training = network.training();
  network.train(network.normalised);
  const Tensor first = network.first_input(x).detach(), second = network.second_input(first).detach();
  network.train(training);
  return {look(activation, first), look(activation, second)};
}

struct Case {
  std::string name, activation;
  bool with_norm = false;
  double weight_decay = 0;
};

struct Course {
  std::vector<std::vector<Layer>> epochs;  // [epoch][layer], epoch 0 before training
  double accuracy = 0, revived_first = 0, revived_second = 0, moved = 0;
};

// The largest change of the incoming weights of units that were dead from the start to the end.
double movement(const Tensor& before, const Tensor& after, const Tensor& dead) {
  return (abs(after - before) * dead.reshape({dead.numel(), 1})).max().item();
}

Course follow(lab::Run& run, const Case& c, double bias, int epochs, std::uint64_t seed, const data::Dataset& train_set,
              const data::Dataset& test_set) {
  manual_seed(seed);
  Network network(c.activation, bias, c.with_norm);
  const Tensor start = network.first.weight.clone().detach();
  Course course;
  course.epochs.push_back(look(network, c.activation, train_set.x));
  optim::SGD optimizer{network.parameters(), {.lr = 0.02, .momentum = 0.9, .weight_decay = c.weight_decay}};
  data::DataLoader loader{train_set, {.batch_size = 64, .shuffle = true, .seed = seed}};
  (void)train::fit(network, optimizer, loader, {.epochs = epochs, .on_epoch = [&](const train::EpochRecord&) {
                                                  run.check_interrupt();
                                                  course.epochs.push_back(look(network, c.activation, train_set.x));
                                                  return true;
                                                }});
  course.accuracy = train::evaluate(network, test_set).metric;
  const NoGrad no_grad;
  const auto revived = [&](std::size_t layer) {
    return sum(course.epochs.front()[layer].dead * (1 - course.epochs.back()[layer].dead)).item();
  };
  course.revived_first = revived(0), course.revived_second = revived(1);
  course.moved = movement(start, network.first.weight, course.epochs.front()[0].dead);
  return course;
}

// Over random weights of variance 1 / 64, the pre-activation of a sample x is N(bias, |x|^2 / 64).
double predicted_zeros(const activations::Function& f, const Tensor& x, double bias) {
  double total = 0;
  for (const double squares : to_vector<double>(sum(square(x.to(float64)), {.axes = {1}})))
    total += theory::dead_probability(f, {.mean = bias, .variance = squares / 64});
  return total / double(x.size(0));
}

// Means over the seeds of one case: [epoch][layer].
std::vector<std::vector<Layer>> average(const std::vector<Course>& courses) {
  std::vector<std::vector<Layer>> mean(courses.front().epochs.size(), std::vector<Layer>(2, Layer{0, 0, {}}));
  for (const Course& course : courses)
    for (std::size_t e = 0; e < mean.size(); ++e)
      for (std::size_t l = 0; l < 2; ++l) {
        mean[e][l].zero_slopes += course.epochs[e][l].zero_slopes / double(courses.size());
        mean[e][l].dead_units += course.epochs[e][l].dead_units / double(courses.size());
      }
  return mean;
}

// Every activation, ReLU in three ways.
std::vector<Case> cases_of_training() {
  std::vector<Case> cases = {
      {"relu", "relu"}, {"relu, weight decay", "relu", false, 0.01}, {"relu, batch norm", "relu", true}};
  for (const std::string& name : all_activations())
    if (name != "relu") cases.push_back({name, name});
  return cases;
}

// A network of ReLU whose units have been pushed below 0, trained on with another activation: which of its units become
// active?
void revival(lab::Run& run, lab::Claim& e1, const data::Dataset& train_set, const data::Dataset& test_set) {
  const int epochs = run.pick(15, 4), seeds = run.pick(10, 3);
  run.section(
      fmt::format("What revives dead units: mu = -3, {} epochs as ReLU, {} more, {} seeds", epochs, epochs, seeds));
  const auto on = [&](Network& network, std::uint64_t seed) {
    optim::SGD optimizer{network.parameters(), {.lr = 0.02, .momentum = 0.9}};
    data::DataLoader loader{train_set, {.batch_size = 64, .shuffle = true, .seed = seed}};
    (void)train::fit(network, optimizer, loader, {.epochs = epochs});
  };
  // 1 for each unit of the first layer that no sample finds active.
  const auto inactive = [&](Network& network) {
    const NoGrad no_grad;
    return is_zero(relu(max(network.first(train_set.x), {.axes = {0}})));
  };
  Table table({"trained on as", Column("dead units before").percent(1), Column("of these revived").percent(1),
               Column("test accuracy").percent(1)});
  for (const std::string name : {"relu", "leaky_relu", "elu", "gelu"}) {
    double dead = 0, revived = 0;
    std::vector<double> accuracy;
    for (int seed = 0; seed < seeds; ++seed) {
      run.check_interrupt();
      manual_seed(run.seed() + std::uint64_t(seed));
      Network start("relu", -3, false);
      on(start, std::uint64_t(seed));
      Network next(name, -3, false);
      next.load_state_dict(start.state_dict());
      const Tensor before = inactive(start);
      on(next, std::uint64_t(seed) + 1000);
      dead += sum(before).item(), revived += sum(before * (1 - inactive(next))).item();
      accuracy.push_back(train::evaluate(next, test_set).metric);
    }
    table.row({name, dead / (64.0 * seeds), revived / dead,
               report::Measured{report::mean(accuracy), report::sample_std(accuracy)}});
    if (name == "relu") {
      e1.at_least("mu = -3, trained as ReLU: dead units of the first layer, all seeds", 5, dead);
      e1.equal("of these revived by more training as ReLU", 0, revived, {});
    } else {
      e1.report(fmt::format("of these revived by training as {}, share", name), revived / dead,
                std::sqrt(revived * (dead - revived) / dead) / dead);
    }
  }
  run.table(table);
}

void training(lab::Run& run, lab::Claim& e1) {
  const auto [train_part, test_part] = data::split(data::digits(), {.test_fraction = 0.2, .stratify = true});
  const data::Standardize scale(train_part.x.flatten(1));
  data::Dataset train_set = train_part, test_set = test_part;
  train_set.x = scale(train_part.x.flatten(1)), test_set.x = scale(test_part.x.flatten(1));
  const int epochs = run.pick(15, 3), seeds = run.pick(10, 3);
  const std::vector<Case> cases = cases_of_training();
  Figure figure("ReLU on digits, first layer pushed to a mean of mu");
  auto& zeros_panel = figure.panel("slopes of 0, layer 1").x_label("epoch").y_label("share");
  auto& dead_panel = figure.panel("dead units, layer 1").x_label("epoch").y_label("share");
  Figure flat_figure("Activations with a flat side, mu = -3");
  struct FlatCurve {
    std::string name;
    std::size_t layer;
    std::vector<double> epochs, zero_slopes;
  };
  std::vector<FlatCurve> flat_curves;
  for (const double mu : {-1.0, -2.0, -3.0}) {
    run.section(fmt::format("Digits, mu = {:g}: {} epochs, {} seeds", mu, epochs, seeds));
    Table table({"network", Column("slopes of 0, layer 1").percent(1), Column("at the end").percent(1),
                 Column("dead units, layer 1").percent(1), Column("at the end").percent(1),
                 Column("slopes of 0, layer 2").percent(1), Column("at the end").percent(1),
                 Column("dead, layer 2").percent(1), Column("at the end").percent(1),
                 Column("test accuracy").percent(1)});
    Table by_epoch({"network", "epoch", Column("slopes of 0, layer 1").percent(1), Column("dead units").percent(1),
                    Column("slopes of 0, layer 2").percent(1), Column("dead units").percent(1)});
    by_epoch.caption(
        fmt::format("mu = {:g}, mean of {} seeds; those that are not here have no dead unit in any epoch, "
                    "and slopes of 0 by underflow at most",
                    mu, seeds));
    std::vector<double> relu_accuracy, elu_accuracy;
    for (const Case& c : cases) {
      std::vector<double> zeros, zeros_end, dead, dead_end, second_zeros, second_zeros_end, second, second_end,
          accuracy;
      std::vector<Course> courses;
      std::vector<std::vector<double>> zero_curves, dead_curves;
      double revived_first = 0, revived_second = 0, moved = 0, units = 0;
      for (int seed = 0; seed < seeds; ++seed) {
        const Course course = follow(run, c, mu, epochs, run.seed() + std::uint64_t(seed), train_set, test_set);
        const std::vector<Layer>&start = course.epochs.front(), &end = course.epochs.back();
        zeros.push_back(start[0].zero_slopes), zeros_end.push_back(end[0].zero_slopes),
            dead.push_back(start[0].dead_units), dead_end.push_back(end[0].dead_units);
        second_zeros.push_back(start[1].zero_slopes), second_zeros_end.push_back(end[1].zero_slopes);
        second.push_back(start[1].dead_units), second_end.push_back(end[1].dead_units),
            accuracy.push_back(course.accuracy);
        courses.push_back(course);
        revived_first += course.revived_first, revived_second += course.revived_second,
            moved = std::max(moved, course.moved);
        units += sum(start[0].dead).item();
        std::vector<double> zero_curve, dead_curve;
        for (const auto& epoch : course.epochs)
          zero_curve.push_back(epoch[0].zero_slopes), dead_curve.push_back(epoch[0].dead_units);
        zero_curves.push_back(zero_curve), dead_curves.push_back(dead_curve);
      }
      const auto shown = [](const std::vector<double>& of) {
        return report::Measured{report::mean(of), report::sample_std(of)};
      };
      table.row({c.name, shown(zeros), shown(zeros_end), shown(dead), shown(dead_end), shown(second_zeros),
                 shown(second_zeros_end), shown(second), shown(second_end), shown(accuracy)});
      const std::string what = fmt::format("digits, mu = {:g}, {}", mu, c.name);
      const std::vector<std::vector<Layer>> means = average(courses);
      const activations::Function f = function(c.activation);
      if (theory::flat_intervals(f).empty()) {
        double most_zeros = 0, most_dead = 0;
        for (const std::vector<Layer>& layers : means)
          for (const Layer& layer : layers)
            most_zeros = std::max(most_zeros, layer.zero_slopes), most_dead = std::max(most_dead, layer.dead_units);
        // The features of a rare sample reach far: in float Phi(x) + x phi(x) is 0 below about -14, 1 - tanh^2 above 9.
        e1.at_most(what + ": slopes of 0, by underflow, in any layer before training", 1e-3,
                   std::max(means.front()[0].zero_slopes, means.front()[1].zero_slopes));
        e1.report(what + ": slopes of 0, in any layer and epoch", most_zeros);
        e1.equal(what + ": dead units in any layer and epoch", 0, most_dead, {});
      } else {
        std::vector<double> at, layers[2];
        for (std::size_t e = 0; e < means.size(); ++e) {
          at.push_back(double(e));
          for (std::size_t l = 0; l < 2; ++l) layers[l].push_back(means[e][l].zero_slopes);
          if (e <= 3 || e % 5 == 0)
            by_epoch.row({c.name, Index(e), means[e][0].zero_slopes, means[e][0].dead_units, means[e][1].zero_slopes,
                          means[e][1].dead_units});
        }
        if (mu == -3 && c.name == c.activation)
          for (std::size_t l = 0; l < 2; ++l) flat_curves.push_back({c.name, l, at, layers[l]});
        if (!c.with_norm && c.weight_decay == 0)
          e1.measured(what + ": slopes of 0 before training, mean of P(f'(X) = 0) for X ~ N(mu, |x|^2)",
                      predicted_zeros(f, train_set.x, mu), zeros, {.sigmas = 6});
      }
      if (c.name == "relu") {
        relu_accuracy = accuracy;
        e1.report(what + ": dead units before training", report::mean(dead), report::standard_error(dead),
                  "samples are alike: far more than if they were independent");
        e1.report(what + ": chance of a dead unit if the samples were independent",
                  theory::dead_unit_probability(function("relu"), train_set.size(), {.mean = mu}));
        std::vector<double> at;
        for (std::size_t e = 0; e < zero_curves[0].size(); ++e) at.push_back(double(e));
        zeros_panel.line(fmt::format("mu = {:g}", mu), at, report::band(zero_curves)),
            dead_panel.line(fmt::format("mu = {:g}", mu), at, report::band(dead_curves));
        e1.equal(fmt::format("{}: largest change of a weight into one of {:g} dead units of layer 1", what, units), 0,
                 moved, {});
      }
      if (c.activation == "relu" && !c.with_norm)
        e1.equal(what + ": dead units of layer 1 that training revived", 0, revived_first, {});
      if (c.name == "relu") e1.report(what + ": dead units of layer 2 that training revived", revived_second);
      if (c.with_norm) e1.equal(what + ": dead units of layer 1 before training", 0, report::mean(dead), {});
      if (c.name == "elu") elu_accuracy = accuracy;
      if (c.activation == "elu" || c.activation == "mish" || c.activation == "leaky_relu") {
        e1.equal(what + ": slopes of 0 before training", 0, report::mean(zeros), {});
        e1.equal(what + ": slopes of 0 after training", 0, report::mean(zeros_end), {});
      }
    }
    run.table(table);
    run.table(by_epoch);
    const report::Interval d = report::paired_difference_interval(elu_accuracy, relu_accuracy);
    run.say(fmt::format(
        "Accuracy of ELU less that of ReLU: {:+.1f} points, with 95 % confidence between {:+.1f} and {:+.1f}: {}.",
        100 * d.center, 100 * d.lower, 100 * d.upper,
        d.contains(0)  ? "no difference beyond the noise"
        : d.center > 0 ? "ELU is ahead"
                       : "ReLU is ahead"));
    std::vector<double> differences;
    for (std::size_t i = 0; i < relu_accuracy.size(); ++i) differences.push_back(elu_accuracy[i] - relu_accuracy[i]);
    e1.report(fmt::format("digits, mu = {:g}: accuracy of ELU less that of ReLU", mu), report::mean(differences),
              report::standard_error(differences));
  }
  run.figure("course", std::move(figure), fmt::format("Mean and deviation of {} seeds.", seeds));
  for (const std::size_t l : {0, 1}) {
    auto& panel = flat_figure.panel(fmt::format("slopes of 0, layer {}", l + 1)).x_label("epoch").y_label("share");
    for (const FlatCurve& curve : flat_curves)
      if (curve.layer == l) panel.line(curve.name, curve.epochs, curve.zero_slopes);
  }
  run.figure("flat", std::move(flat_figure), fmt::format("Means of {} seeds.", seeds));
  revival(run, e1, train_set, test_set);
}

// ---- E0 ----

void means(lab::Run& run) {
  lab::Claim& e0 = run.claim("E0", "ELU's negative saturation pushes the mean of activations towards 0.");
  run.section("Means of activations");
  const NoGrad no_grad;
  const Index batches = run.pick<Index>(50, 20), draws = run.pick<Index>(20000, 4000);
  const std::string selu_alpha = fmt::format("elu({:.17g})", double(theory::selu_constants().alpha));
  for (const std::string& name :
       {std::string("relu"), std::string("gelu"), std::string("elu"), selu_alpha, std::string("silu")}) {
    std::vector<double> found;
    for (Index b = 0; b < batches; ++b)
      found.push_back(mean_of(activate(function(name), randn({draws}, {.dtype = float64}))));
    e0.measured(fmt::format("E {} under N(0, 1)", name == selu_alpha ? "elu with SELU's alpha" : name),
                theory::gaussian_moments(name).mean, found, {.sigmas = 5});
  }
  e0.equal("E elu with SELU's alpha, 1.67326..., under N(0, 1)", 0, theory::gaussian_moments(selu_alpha).mean,
           {.absolute = 1e-14});
  Table table({"mean of the input", Column("E relu").significant(5), Column("E elu").significant(5),
               Column("E gelu").significant(5), "ELU is nearer to 0"});
  Figure figure("Mean of f(X), X ~ N(mu, 1)");
  std::vector<double> at, relu, elu, gelu;
  for (double mu = -3; mu <= 2.01; mu += 0.125) {
    const auto mean = [&](const char* name) { return theory::gaussian_moments(name, {.mean = mu}).mean; };
    at.push_back(mu), relu.push_back(mean("relu")), elu.push_back(mean("elu")), gelu.push_back(mean("gelu"));
    if (mu == std::round(mu))
      table.row({mu, relu.back(), elu.back(), gelu.back(), std::fabs(elu.back()) < std::fabs(relu.back())});
  }
  run.table(table);
  figure.panel()
      .x_label("mean mu of the input")
      .y_label("mean of f")
      .line("relu", at, relu)
      .line("elu", at, elu)
      .line("gelu", at, gelu)
      .horizontal(0);
  run.figure("means", std::move(figure),
             "For inputs that are negative on average, ELU's mean tends to -1 and ReLU's to 0.");
  const auto mean = [](const char* name, double mu) { return theory::gaussian_moments(name, {.mean = mu}).mean; };
  e0.holds("under N(mu, 1) ELU's mean is nearer to 0 than ReLU's for mu = 0, 1 and 2",
           std::fabs(mean("elu", 0)) < mean("relu", 0) && mean("elu", 1) < mean("relu", 1) &&
               mean("elu", 2) < mean("relu", 2));
  e0.holds("and further from 0 for mu = -1, -2 and -3", -mean("elu", -1) > mean("relu", -1) &&
                                                            -mean("elu", -2) > mean("relu", -2) &&
                                                            -mean("elu", -3) > mean("relu", -3));
  e0.verdict(Verdict::holds_if,
             fmt::format("For inputs of mean 0: E relu = {:.4f}, E gelu = {:.4f}, E elu = {:.4f}, and 0 with SELU's "
                         "alpha. For inputs of mean -1 or less ELU's mean is further "
                         "from 0 than ReLU's: {:.3f} against {:.3f} at -2.",
                         mean("relu", 0), mean("gelu", 0), mean("elu", 0), mean("elu", -2), mean("relu", -2)))
      .figure("means");
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("dead_units", "Dead units",
               "Which units stop learning on negatively biased data, and what brings them back?");
  return lab.main(argc, argv, [](lab::Run& run) {
    means(run);
    lab::Claim& e1 = run.claim("E1",
                               "On negatively biased data many ReLU units are dead, with gradients of 0; ELU's "
                               "derivative alpha e^x is always positive, so that its units "
                               "go on learning, as do Mish's.");
    zero_slopes(run, e1);
    dead_batches(run, e1);
    floating_point(e1);
    training(run, e1);
    e1.verdict(Verdict::holds_if,
               "Slopes of 0 are as frequent as predicted, Phi(-mu) for ReLU (97.7 % at mu = -2) and none for ELU, "
               "GELU, Mish in real arithmetic. But a slope of 0 on one "
               "sample is not a dead unit, which is inactive on all: 10 % of units for 100 independent samples at mu = "
               "-2. ELU's slopes are positive and may be small (38 % below 0.1 there); in "
               "floating point they are 0 below -104 or -745, and alpha e^x is the slope for x <= 0 only. Dead units "
               "of the first layer are never revived by SGD, with or "
               "without weight decay; batch normalisation has none, and another activation brings some back.")
        .figure("course");
  });
}

// Does the slope of ELU keep gradients alive through time in a recurrent network?
//
// Gradients of random recurrent networks by autodiff, step by step, beside the chapter's product of spectral norm and
// mean slope and mean field's sigma_w sqrt(E f'^2); then networks that are trained: the adding problem, and handwritten
// digits read row by row, for ReLU, ELU, tanh and GELU with Gaussian, orthogonal and identity recurrent weights. The
// derivations are in docs/labs/recurrent_gradients.md. Takes some minutes. What you should see: a mean slope that is no
// rate, a rate that the weights' variance sets as much as the activation does, and a start of the weights that decides
// more than the activation.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/recurrent.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/matrix.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Interval;
using gradus::report::Table;
using lab::Verdict;

namespace {

const std::vector<std::string> activations_tried = {"relu", "elu", "tanh", "gelu"};

Tensor draw(const Shape& shape) { return randn(shape, {.dtype = float64}); }
activations::Function function(const std::string& name) { return activations::activation(name); }

// -- slopes

std::vector<double> mean_slopes(const std::string& name, int power, Index batches, Index draws) {
  std::vector<double> means;
  for (Index b = 0; b < batches; ++b) {
    const Tensor x = draw({draws}).requires_grad_();
    means.push_back(mean(grad(sum(nn::activation(name)(x)), x).pow(double(power))).item());
  }
  return means;
}

void slopes(lab::Run& run, lab::Claim& e2) {
  run.section("Slopes under N(0, 1), and what they give per time step for weights of variance 1 / width");
  const Index batches = run.pick<Index>(50, 20), draws = run.pick<Index>(20000, 4000);
  Table table({"activation", Column("E f'").significant(10), Column("E f'^2").significant(7),
               Column("mean field: sqrt(E f'^2)").significant(5), Column("the chapter: 2 E f'").significant(5),
               Column("no more than: 2 sup|f'|").significant(5)});
  for (const char* name : {"relu", "elu", "tanh", "gelu", "selu", "silu"}) {
    const theory::Moments m = theory::gaussian_moments(name);
    const theory::RecurrentFactors factors = theory::recurrent_factors(function(name), 1);
    table.row({name, m.slope_mean, m.slope_second, factors.rms, factors.spectral_norm * factors.mean_slope,
               factors.lipschitz});
    e2.measured(fmt::format("{}: E f'", name), m.slope_mean, mean_slopes(name, 1, batches, draws), {.sigmas = 5});
    e2.measured(fmt::format("{}: E f'^2", name), m.slope_second, mean_slopes(name, 2, batches, draws), {.sigmas = 5});
  }
  run.table(table);
  e2.equal("ELU: E f' = 1/2 + sqrt(e) Phi(-1), and the integral", 0.5 + std::exp(0.5) * theory::normal_cdf(-1),
           theory::gaussian_moments("elu").slope_mean, {.relative = 1e-12});
  e2.holds("ELU's mean slope is nearer to 1 than ReLU's",
           std::fabs(1 - theory::gaussian_moments("elu").slope_mean) <
               std::fabs(1 - theory::gaussian_moments("relu").slope_mean));
  for (const char* name : {"gelu", "silu", "softplus"}) {
    const activations::Function f = function(name);
    double off = 0;
    for (double x = 0.01; x < 8; x += 0.01) off = std::max(off, std::fabs(f(1, x) + f(1, -x) - 1));
    e2.at_most(fmt::format("{}: |f'(x) + f'(-x) - 1|, so that E f' = 1/2 for every even law", name), 1e-12, off);
  }
  e2.equal("ReLU with He's variance 2: sigma_w sqrt(E f'^2); a mean slope of 1/2 is no decay", 1,
           theory::recurrent_factors(function("relu"), std::sqrt(2.0)).rms, {.relative = 1e-12});
}

// -- random networks

enum class Start { gaussian, orthogonal, identity };
const std::vector<std::pair<Start, std::string>> starts = {
    {Start::gaussian, "Gaussian"}, {Start::orthogonal, "orthogonal"}, {Start::identity, "identity"}};

// (n, n), singular values around `size`.
Tensor recurrent_weight(Start start, Index n, double size) {
  Tensor w = empty({n, n}, {.dtype = float64});
  if (start == Start::gaussian) nn::init::normal_(w, 0, 1 / std::sqrt(double(n)));
  if (start == Start::orthogonal) nn::init::orthogonal_(w);
  if (start == Start::identity) nn::init::eye_(w);
  return w * size;
}

// |gradient at z_t|^2 over that at the last time step, for t = 0, ..., steps, of z' = W f(z) + u with a new input u at
// each step that keeps the pre-activations' variance at 1.
std::vector<double> gradients_through_time(const std::string& name, Start start, double size, Index n, int steps) {
  const double input = std::sqrt(std::max(0.0, 1 - size * size * theory::gaussian_moments(name).second));
  const Tensor w = recurrent_weight(start, n, size).t();
  std::vector<Tensor> z{draw({1, n}).requires_grad_()};
  for (int t = 0; t < steps; ++t) z.push_back(matmul(nn::activation(name)(z.back()), w) + input * draw({1, n}));
  const std::vector<Tensor> g = grad(z.back(), z, {.grad_output = draw({1, n})});
  std::vector<double> ratios;
  for (const Tensor& gradient : g) ratios.push_back(sum(square(gradient)).item() / sum(square(g.back())).item());
  return ratios;
}

std::vector<std::vector<double>> many_gradients(lab::Run& run, const std::string& name, Start start, double size,
                                                Index n, int steps, int networks) {
  std::vector<std::vector<double>> all;
  for (int i = 0; i < networks; ++i) {
    run.check_interrupt();
    all.push_back(gradients_through_time(name, start, size, n, steps));
  }
  return all;
}

// The root mean square's factor per step, from the mean over networks of |g_0|^2 / |g_T|^2, and its standard error.
std::pair<double, double> factor_per_step(const std::vector<std::vector<double>>& ratios) {
  std::vector<double> first;
  for (const auto& one : ratios) first.push_back(one.front());
  const double steps = double(ratios.front().size() - 1), factor = std::pow(report::mean(first), 0.5 / steps);
  return {factor, factor * 0.5 / steps * report::standard_error(first) / report::mean(first)};
}

void random_networks(lab::Run& run, lab::Claim& e2) {
  run.section("Random networks");
  const Index n = run.pick<Index>(256, 128);
  const int steps = 20, networks = run.pick(60, 30);
  Table table({"activation", "weights", Column("predicted factor per step").significant(5),
               Column("measured").significant(5), Column("the chapter's product").significant(5)});
  Figure figure("Gradient's mean square, back through time");
  figure.palette(activations_tried);
  for (const auto& [start, title] : starts) {
    report::Panel& panel = figure.panel(title).x_label("steps back").log_y();
    for (const std::string& name : activations_tried) {
      const auto ratios = many_gradients(run, name, start, 1, n, steps, networks);
      const auto [factor, error] = factor_per_step(ratios);
      const theory::RecurrentFactors theory = theory::recurrent_factors(function(name), 1);
      // An orthogonal matrix has spectral norm 1 and keeps all lengths, as a Gaussian one keeps their mean square.
      const double norm = start == Start::gaussian ? theory.spectral_norm : 1, chapter = norm * theory.mean_slope;
      const std::string what = fmt::format("{}, {}: factor per step of the gradient's root mean square", name, title);
      if (start == Start::identity)
        e2.report(what, factor, error, "no unit meets another: pre-activations add up over time, and are not N(0, 1)");
      else {
        e2.measured(what, theory.rms, factor, error, {.sigmas = 5, .systematic = 3.0 / double(n)},
                    fmt::format("the chapter's product is {:.4f}", chapter));
        e2.at_least(fmt::format("{}, {}: the chapter's product is off by", name, title),
                    start == Start::gaussian ? 0.15 : 0.01, std::fabs(chapter - factor));
      }
      table.row({name, title, start == Start::identity ? report::Cell("") : report::Cell(theory.rms), factor, chapter});
      std::vector<double> back, size;
      for (int t = 0; t <= steps; ++t) {
        back.push_back(t);
        double sum = 0;
        for (const auto& one : ratios) sum += one[std::size_t(steps - t)] / double(networks);
        size.push_back(sum);
      }
      panel.line(name, back, size);
    }
  }
  run.table(table);
  run.figure("time", std::move(figure),
             fmt::format("Width {}, mean over {} networks; weights of variance 1 / width, orthogonal, or the identity; "
                         "pre-activations N(0, 1).",
                         n, networks));
  const auto [factor, error] =
      factor_per_step(many_gradients(run, "relu", Start::gaussian, std::sqrt(2.0), n, steps, networks));
  e2.measured("relu, He's variance 2: factor per step", theory::recurrent_factors(function("relu"), std::sqrt(2.0)).rms,
              factor, error, {.sigmas = 5, .systematic = 6.0 / double(n)}, "neither decays nor grows");
}

double spectral_norm(const Tensor& matrix) {
  return theory::spectral_norm({matrix.size(0), matrix.size(1), to_vector<double>(matrix)});
}

// The product is no bound: where all pre-activations are positive, ELU's Jacobian is W itself.
void bounds(lab::Run& run, lab::Claim& e2) {
  const Index n = run.pick<Index>(192, 96);
  const int matrices = 6;
  const theory::RecurrentFactors factors = theory::recurrent_factors(function("elu"), 1);
  std::vector<double> norms, typical, positive;
  for (int i = 0; i < matrices; ++i) {
    run.check_interrupt();
    const Tensor w = recurrent_weight(Start::gaussian, n, 1), z = draw({n});
    const auto step = [&](const Tensor& x) { return matmul(w, nn::activation("elu")(x)); };
    norms.push_back(spectral_norm(w));
    typical.push_back(spectral_norm(autograd::jacobian(step, z)));
    positive.push_back(spectral_norm(autograd::jacobian(step, abs(z))));
  }
  // The edge of the spectrum fluctuates, and lies below 2, by n^(-2/3) (Johnstone 2001).
  e2.measured("spectral norm of a Gaussian matrix, 2 sigma_w", factors.spectral_norm, norms,
              {.sigmas = 4, .systematic = 3 * std::pow(double(n), -2.0 / 3)});
  e2.equal("ELU, all pre-activations positive: |W diag f'| over |W|", 1, report::mean(positive) / report::mean(norms),
           {.relative = 1e-6});
  e2.at_least("its excess over the chapter's product |W| E f', which therefore is no bound", 0.2,
              report::mean(positive) - report::mean(norms) * factors.mean_slope);
  e2.at_most("ELU, pre-activations N(0, 1): |W diag f'| stays below |W| sup f'", report::mean(norms),
             report::mean(typical));
  e2.report("ELU, pre-activations N(0, 1): |W diag f'|, against the product", report::mean(typical),
            report::standard_error(typical),
            fmt::format("|W| E f' = {:.3f}", report::mean(norms) * factors.mean_slope));
}

// -- training

struct Task {
  std::string name;
  Index inputs, outputs;
  std::string score;  // what is measured on the test part; smaller is better
  std::function<data::Dataset(int step)> batch;
  data::Dataset test;
};

nn::Sequential network(const Task& task, const std::string& activation, Start start) {
  nn::Sequential net = models::recurrent(
      task.inputs, task.outputs,
      {.cell = "elman",
       .hidden = 32,
       .activation = activation,
       .recurrent_init = start == Start::identity ? nn::RecurrentInit::identity : nn::RecurrentInit::orthogonal});
  if (start == Start::gaussian)
    for (auto& [name, parameter] : net.named_parameters())
      if (name.find("weight_hh") != std::string::npos)
        nn::init::normal_(parameter, 0, 1 / std::sqrt(double(parameter.size(1))));
  return net;
}

Tensor loss(const Task& task, const Tensor& output, const Tensor& target) {
  return task.outputs == 1 ? nn::mse_loss(output, target) : nn::cross_entropy(output, target);
}

// Mean squared error, or the share of wrong answers.
double test_score(const Task& task, nn::Sequential& net) {
  const NoGrad no_grad;
  const Tensor output = net(task.test.x);
  return task.outputs == 1 ? loss(task, output, task.test.y).item() : 1 - train::accuracy(output, task.test.y);
}

struct Trained {
  double score;
  std::vector<double> gradient;  // |dL / dx_t|, for each time step
};

Trained train_once(lab::Run& run, const Task& task, const std::string& activation, Start start, int steps,
                   std::uint64_t seed) {
  manual_seed(seed);
  nn::Sequential net = network(task, activation, start);
  optim::Adam optimizer{net.parameters(), {.lr = 2e-3}};
  for (int step = 0; step < steps; ++step) {
    if (step % 20 == 0) run.check_interrupt();
    const data::Dataset batch = task.batch(int(seed) * 100'000 + step);
    optimizer.zero_grad();
    loss(task, net(batch.x), batch.y).backward();
    nn::clip_grad_norm(net.parameters(), 1.0);
    optimizer.step();
  }
  Tensor x = task.test.x.slice(0, 0, 64).clone().requires_grad_();
  const Tensor g = grad(loss(task, net(x), task.test.y.slice(0, 0, 64)), x);
  return {test_score(task, net), to_vector<double>(sqrt(sum(square(g), {.axes = {0, 2}})).to(float64))};
}

Task adding(Index length) {
  const auto sequences = [=](Index n, std::uint64_t seed) {
    return data::adding_problem(n, {.length = length, .seed = seed});
  };
  return {fmt::format("adding problem, {} numbers", length),
          2,
          1,
          "mean squared error",
          [=](int step) { return sequences(32, std::uint64_t(step) + 1'000'000); },
          sequences(1000, 7)};
}

// Digits, row by row: 28 of MNIST, 8 of the built-in ones.
Task rows_of_digits(lab::Run& run) {
  data::Dataset train, test;
  if (const auto root = run.data("mnist")) {
    train = data::mnist(root->string(), data::Split::train), test = data::mnist(root->string(), data::Split::test);
  } else {
    run.skip("MNIST row by row", "no folder mnist in --data; the built-in digits of 8 rows are read instead");
    std::tie(train, test) = data::split(data::digits(), {.test_fraction = 0.3, .stratify = true});
  }
  const data::Standardize scale{train.x};
  const auto rows = [&](data::Dataset part, Index most) {
    const Index n = std::min(most, part.size()), side = part.x.size(-1);
    part.x = part.x.slice(0, 0, n), part.y = part.y.slice(0, 0, n);
    part = scale(part);
    part.x = part.x.reshape({n, part.x.numel() / n / side, side});
    return part;
  };
  train = rows(train, 20000), test = rows(test, run.pick<Index>(2000, 500));
  const auto batch = [=](int step) {
    Generator generator{std::uint64_t(step)};
    const Tensor places = randint(0, train.size(), {32}, {.dtype = int64, .generator = &generator});
    data::Dataset some = train;
    some.x = index_select(train.x, 0, places), some.y = index_select(train.y, 0, places);
    return some;
  };
  return {fmt::format("digits, {} rows", train.x.size(1)), train.x.size(2), 10, "share of wrong answers", batch, test};
}

std::string better(const Interval& elu_minus_other) {
  if (elu_minus_other.upper < 0) return "ELU is better";
  if (elu_minus_other.lower > 0) return "ELU is worse";
  return "not decided";
}

void training(lab::Run& run, lab::Claim& e2, const Task& task, int steps, int seeds) {
  run.section(fmt::format("Trained: {}, {} steps of Adam, {} seeds", task.name, steps, seeds));
  Table table({"activation", Column("Gaussian").fixed(4), Column("orthogonal").fixed(4), Column("identity").fixed(4)});
  Figure figure("|dL / dx_t| behind training: " + task.name);
  figure.palette(activations_tried);
  std::vector<report::Panel*> panels;
  for (const auto& start : starts) panels.push_back(&figure.panel(start.second).x_label("time step").log_y());
  std::vector<std::vector<double>> scores;  // of each activation, over starts and seeds
  for (const std::string& name : activations_tried) {
    std::vector<report::Cell> row{name};
    scores.emplace_back();
    for (std::size_t s = 0; s < starts.size(); ++s) {
      std::vector<double> found;
      std::vector<std::vector<double>> gradients;
      for (int seed = 1; seed <= seeds; ++seed) {
        const Trained trained = train_once(run, task, name, starts[s].first, steps, std::uint64_t(seed));
        found.push_back(trained.score), scores.back().push_back(trained.score);
        gradients.push_back(trained.gradient);
      }
      row.emplace_back(report::mean(found));
      e2.report(fmt::format("{}: {}, {}, {}", task.name, name, starts[s].second, task.score), report::mean(found),
                report::standard_error(found));
      std::vector<double> time;
      for (std::size_t t = 0; t < gradients.front().size(); ++t) time.push_back(double(t));
      panels[s]->line(name, time, report::band(gradients).center);
    }
    table.row(std::move(row));
  }
  run.table(table);
  run.figure(task.outputs == 1 ? "adding" : "digits", std::move(figure),
             "Mean over seeds, at the first 64 test sequences.");
  for (std::size_t other : {0, 2, 3}) {
    const Interval difference = report::paired_difference_interval(scores[1], scores[other]);
    std::vector<double> differences;
    for (std::size_t i = 0; i < scores[1].size(); ++i) differences.push_back(scores[1][i] - scores[other][i]);
    e2.report(
        fmt::format("{}: {} of ELU minus {}, over starts and seeds", task.name, task.score, activations_tried[other]),
        difference.center, report::standard_error(differences),
        fmt::format("95 % interval {:.4f} to {:.4f}: {}", difference.lower, difference.upper, better(difference)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("recurrent_gradients", "Gradients through time",
               "Does the slope of ELU keep gradients alive through time in a recurrent network?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e2 = run.claim("E2",
                               "Per time step the norm of gradients is multiplied by the recurrent matrix's spectral "
                               "norm times the expected slope; ReLU's is 0.5 and makes gradients "
                               "decay, ELU's is nearer to 1.");
    slopes(run, e2);
    random_networks(run, e2);
    bounds(run, e2);
    training(run, e2, adding(run.pick<Index>(30, 15)), run.pick(1500, 40), run.pick(3, 2));
    training(run, e2, rows_of_digits(run), run.pick(400, 30), run.pick(3, 2));
    e2.verdict(Verdict::holds_if,
               "ELU's mean slope under N(0, 1) is 1/2 + sqrt(e) Phi(-1) = 0.7616, nearer to 1 than ReLU's 1/2, which "
               "GELU, SiLU and softplus have for every even law. But it is no rate: for Gaussian "
               "weights of deviation sigma_w / sqrt(n) the gradient's root mean square is multiplied by sigma_w sqrt(E "
               "f'^2), while the spectral norm is 2 sigma_w, so that |W| E f' is neither "
               "the mean (1.52 instead of 0.82 for ELU) nor a bound (that is |W| sup f'). A slope below 1 alone is no "
               "decay: with He's sigma_w^2 = 2, ReLU's factor is 1.")
        .figure("time");
  });
}

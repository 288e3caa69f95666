// What does a derivative of at most 1 do for private training?
//
// First the accounting: epsilon of the chapter's kind of run by two bounds and by the exact loss, a Monte Carlo check of the Renyi
// divergence, and an attacker who sees every step. Then one private step, taken apart: clipping against a loop, and the noise. Then the
// norms of single samples' gradients and the accuracy after private training, for ReLU, ELU, tanh and GELU and several clipping norms, on
// MNIST
// (--data; else on the built-in digits). The derivations are in docs/labs/private_training.md. Takes some minutes. What you should see:
// epsilon near 3.0 and 2.6 by the two bounds; norms that are larger for ELU than for ReLU, though both have slopes of at most 1; and
// accuracies that depend more on the clipping norm than on the activation.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <functional>
#include <map>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/lipschitz.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/privacy.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

constexpr double delta = 1e-5;
const std::vector<std::string> names{"relu", "elu", "tanh", "gelu"};

// -- accounting

void epsilons(lab::Run& run, lab::Claim& e10) {
  run.section("What is given away");
  run.say(
      "60000 samples, batches of 256 on average, delta 1e-5; 60, 15 and 45 epochs. Neither the clipping norm nor the activation stands in "
      "any of these numbers.");
  Table table({"sigma", "steps", Column("classic").significant(8), Column("order").significant(3), Column("improved").significant(8),
               Column("order").significant(3), Column("exact").significant(4)});
  struct Setting {
    double sigma;
    Index steps;
  };
  for (const Setting& s : {Setting{1.1, 14063}, {1.3, 3516}, {0.7, 10547}}) {
    theory::PrivacyRun r{256.0 / 60000, s.sigma, s.steps, delta};
    const double exact = theory::tight_epsilon(r, Index(1) << run.pick(18, 16));
    const theory::PrivacyLoss improved = theory::privacy_spent(r);
    r.conversion = theory::Conversion::classic;
    const theory::PrivacyLoss classic = theory::privacy_spent(r);
    table.row({s.sigma, s.steps, classic.epsilon, classic.order, improved.epsilon, improved.order, exact});
    const std::string what = fmt::format("sigma {:g}, {} steps: epsilon, ", s.sigma, s.steps);
    e10.report(what + "classic bound", classic.epsilon);
    e10.at_most(what + "improved bound, below the classic one", classic.epsilon, improved.epsilon);
    e10.at_most(what + "exact, below both", improved.epsilon, exact);
  }
  run.table(table);
}

// The Renyi divergence is a mean over the noise: the same by draws.
void renyi_by_draws(lab::Run& run, lab::Claim& e10) {
  const double q = 0.1, s = 1.1;
  const Index batches = 50, draws = run.pick<Index>(40000, 4000);
  for (const double order : {2.0, 3.0}) {
    std::vector<double> means;
    for (Index b = 0; b < batches; ++b) {
      const Tensor z = s * randn({draws}, {.dtype = float64});
      means.push_back(mean((1 - q + q * exp((2.0 * z - 1) / (2 * s * s))).pow(order)).item());
    }
    e10.measured(fmt::format("e^((order - 1) Renyi divergence) at order {:g}, q = 0.1, sigma = 1.1", order),
                 std::exp((order - 1) * theory::renyi_divergence({q, s}, order)), means);
  }
}

// Sums over all steps of the logarithm of the likelihood ratio "with the sample" : "without it", of runs with or without it. By Neyman and
// Pearson no other attack on the noisy sums can do better.
std::vector<double> evidence(const theory::PrivacyRun& r, Index runs, bool with) {
  const double q = r.sampling_rate, s = r.noise_multiplier;
  std::vector<double> sums;
  for (Index i = 0; i < runs; ++i) {
    Tensor z = s * randn({r.steps}, {.dtype = float64});
    if (with) z = z + bernoulli(q * ones({r.steps}, {.dtype = float64}));
    sums.push_back(sum(log(1 - q + q * exp((2.0 * z - 1) / (2 * s * s)))).item());
  }
  return sums;
}

double share_above(const std::vector<double>& values, double threshold) {
  return double(std::count_if(values.begin(), values.end(), [&](double v) { return v > threshold; })) / double(values.size());
}

void attack(lab::Run& run, lab::Claim& e10) {
  const theory::PrivacyRun r{256.0 / 60000, 1.1, run.pick<Index>(14063, 2000), delta};
  const double epsilon = theory::tight_epsilon(r, Index(1) << run.pick(18, 16));
  const Index runs = run.pick<Index>(3000, 400);
  const std::vector<double> in = evidence(r, runs, true), out = evidence(r, runs, false);
  double worst = -1, best = 0;
  std::vector<double> wrong, right;
  for (double threshold = -3; threshold <= 3; threshold += 0.05) {
    const double hit = share_above(in, threshold), alarm = share_above(out, threshold);
    const double error = std::sqrt((hit * (1 - hit) + std::exp(2 * epsilon) * alarm * (1 - alarm)) / double(runs));
    if (error > 0) worst = std::max(worst, (hit - std::exp(epsilon) * alarm - delta) / error);
    best = std::max(best, hit - alarm);
    wrong.push_back(alarm);
    right.push_back(hit);
  }
  e10.at_most(fmt::format("an attacker who sees all {} steps: hits - e^epsilon false alarms - delta, in standard errors, at any threshold",
                          r.steps),
              5, worst);
  e10.report("the same attacker: largest hit rate minus false alarms", best);
  std::vector<double> bound;
  for (const double alarm : wrong)
    bound.push_back(std::min({1.0, std::exp(epsilon) * alarm + delta, 1 - std::exp(-epsilon) * (1 - delta - alarm)}));
  Figure figure("Was the sample there? The best attack on all steps");
  figure.panel()
      .x_label("false alarms")
      .y_label("hits")
      .line("attack", wrong, right)
      .line(fmt::format("bound, epsilon {:.3g}", epsilon), wrong, bound)
      .diagonal();
  run.figure("attack", std::move(figure), "The attacker sees every noisy sum and knows everything but whether the sample was there.");
}

// -- data and network

struct Task {
  data::Dataset train, test;
  bool mnist;
};

// Scaled by fixed numbers: the mean of the data would be one more thing to keep private.
Task load(lab::Run& run) {
  const auto folder = run.quick() ? std::nullopt : run.data("mnist");
  if (!folder && !run.quick()) run.skip("MNIST", "--data has no folder mnist; the built-in digits stand in");
  Task task;
  if (folder) {
    task = {data::mnist(folder->string(), data::Split::train), data::mnist(folder->string(), data::Split::test), true};
  } else {
    auto [train, test] = data::split(data::digits(), {.test_fraction = 0.3, .stratify = true, .seed = 1});
    task = {std::move(train), std::move(test), false};
  }
  for (data::Dataset* part : {&task.train, &task.test}) part->x = (part->x - 0.2) * 3;
  return task;
}

nn::Sequential network(const Task& task, const std::string& activation) {
  const Index side = task.train.x.size(2), half = (side + 1) / 2, quarter = (half + 1) / 2;
  return nn::Sequential{nn::Conv2d{1, 8, 5, {.stride = 2, .padding = 2}},
                        nn::activation(activation),
                        nn::Conv2d{8, 16, 3, {.stride = 2, .padding = 1}},
                        nn::activation(activation),
                        nn::Flatten{},
                        nn::Linear{16 * quarter * quarter, 32},
                        nn::activation(activation),
                        nn::Linear{32, 10}};
}

Tensor mean_loss(const Tensor& output, const Tensor& target) { return nn::cross_entropy(output, target); }

// -- one step

void one_step(lab::Run& run, lab::Claim& e10, const Task& task) {
  run.section("One private step");
  data::PoissonLoader loader{task.train, {.sampling_rate = 64.0 / double(task.train.size()), .seed = run.seed()}};
  const data::Batch batch = loader.next();
  double furthest = 0, clipped_share = 0;
  for (const std::string& name : names) {
    nn::Sequential net = network(task, name);
    const auto fast = autograd::clipped_gradients(net, mean_loss, batch.x, batch.y, 1);
    const auto slow = autograd::clipped_gradients(net, mean_loss, batch.x, batch.y, 1, {.method = autograd::PerSampleMethod::loop});
    for (std::size_t p = 0; p < fast.gradients.size(); ++p)
      furthest = std::max(furthest, double(max(abs(fast.gradients[p].second - slow.gradients[p].second)).item()));
    clipped_share = std::max(clipped_share, mean((fast.norms > 1.0).to(float64)).item());
  }
  e10.at_most("sums of clipped gradients: ghost norms and a loop over samples differ by", 1e-4, furthest,
              "float32; sums of some 64 gradients of norm up to 1");
  e10.at_least("share of gradients longer than 1, so that clipping is seen", 0.1, clipped_share);

  const double sigma = 1.1, C = 0.7, expected = 64;
  const Tensor p = zeros({run.pick<Index>(1000000, 100000)}, {.dtype = float64}).requires_grad_();
  optim::DPSGD optimizer{std::vector{p},
                         {.lr = 1, .noise_multiplier = sigma, .max_grad_norm = C, .expected_batch_size = expected, .seed = run.seed()}};
  optimizer.step(std::vector<Tensor>{zeros_like(p)});
  const double n = double(p.numel()), variance = mean(square(p.detach())).item(), predicted = std::pow(sigma * C / expected, 2);
  e10.measured("variance of the noise in the mean gradient: (sigma C / batch)^2", predicted, variance, predicted * std::sqrt(2 / n));
}

double cpu_seconds_of(const std::function<void()>& step) {
  const std::clock_t start = std::clock();
  step();
  return double(std::clock() - start) / CLOCKS_PER_SEC;
}

// On one thread, interleaved, in the processor's time: what other programs do to the clock on the wall is not the question.
void price(lab::Run& run, lab::Claim& e10, const Task& task) {
  nn::Sequential net = network(task, "elu");
  const data::Batch batch{task.train.x.slice(0, 0, 256), task.train.y.slice(0, 0, 256)};
  optim::SGD plain{net.parameters(), {.lr = 1e-6}};
  optim::DPSGD noisy{net.named_parameters(), {.lr = 1e-6, .expected_batch_size = 256, .seed = 1}};
  const int threads = num_threads();
  set_num_threads(1);
  std::vector<double> ordinary, with_privacy;
  for (int i = 0; i < run.pick(60, 10); ++i) {
    ordinary.push_back(cpu_seconds_of([&] {
      plain.zero_grad();
      mean_loss(net(batch.x), batch.y).backward();
      plain.step();
    }));
    with_privacy.push_back(cpu_seconds_of([&] { (void)train::private_step(net, noisy, batch); }));
  }
  set_num_threads(threads);
  const double one = report::median(ordinary), other = report::median(with_privacy);
  run.say(fmt::format("A private step of 256 samples takes {:.2g} ms of the processor's time, an ordinary one {:.2g} ms.", 1e3 * other,
                      1e3 * one));
  e10.report("time of a private step over that of an ordinary one (medians)", other / one);
}

// -- slopes and norms

void slopes(lab::Run& run, lab::Claim& e10) {
  run.section("Slopes");
  Table table({"activation", Column("sup |f'|").significant(7), Column("at").significant(4), Column("E f'^2").significant(7)});
  for (const char* name : {"relu", "elu", "elu(0.5)", "elu(1.5)", "tanh", "gelu", "silu", "mish", "selu"}) {
    const activations::Function f = activations::activation(name);
    const theory::Extreme steepest = theory::lipschitz_constant(f);
    table.row({std::string(name), steepest.value, steepest.at, theory::gaussian_moments(f).slope_second});
  }
  run.table(table);
  const auto sup = [](const char* name) { return theory::lipschitz_constant(name).value; };
  for (const char* name : {"relu", "elu", "elu(0.5)", "tanh"})
    e10.equal(fmt::format("sup |f'| of {}", name), 1, sup(name), {.absolute = 1e-12});
  for (const char* name : {"gelu", "silu", "mish", "selu"}) e10.at_least(fmt::format("sup |f'| of {}", name), 1.05, sup(name));
  e10.equal("sup |f'| of elu(1.5): alpha, where alpha > 1", 1.5, sup("elu(1.5)"), {.absolute = 1e-12});
  e10.at_least("E f'^2 of elu, above that of relu", theory::gaussian_moments("relu").slope_second,
               theory::gaussian_moments("elu").slope_second);
}

Tensor norms_of(nn::Sequential& net, const data::Dataset& data, Index samples) {
  const Index n = std::min(samples, data.size());
  return sqrt(autograd::per_sample_squared_norms(net, mean_loss, data.x.slice(0, 0, n), data.y.slice(0, 0, n)));
}

std::vector<double> differences(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> result;
  for (std::size_t i = 0; i < a.size(); ++i) result.push_back(a[i] - b[i]);
  return result;
}

std::string compared(const report::Interval& difference) {
  return difference.lower > 0 ? "larger" : difference.upper < 0 ? "smaller" : "not told apart";
}

// The same starting weights for every activation, for one seed after the other.
void norms_at_start(lab::Run& run, lab::Claim& e10, const Task& task) {
  run.section("Norms of single samples' gradients at the same starting weights");
  std::map<std::string, std::vector<double>> medians;
  std::map<std::string, std::vector<double>> shown;
  for (Index seed = 0; seed < run.pick<Index>(20, 8); ++seed)
    for (const std::string& name : names) {
      manual_seed(run.seed() + std::uint64_t(seed));
      nn::Sequential net = network(task, name);
      const std::vector<double> norms = to_vector<double>(norms_of(net, task.train, 512));
      medians[name].push_back(report::median(norms));
      shown[name].insert(shown[name].end(), norms.begin(), norms.end());
    }
  Table table({"activation", Column("median").significant(4), Column("standard error").significant(2), Column("10 %").significant(4),
               Column("90 %").significant(4)});
  Figure figure("Norms of single samples' gradients at the start");
  auto& panel = figure.panel().x_label("norm").y_label("share of samples below");
  for (const std::string& name : names) {
    table.row({name, report::mean(medians[name]), report::standard_error(medians[name]), report::quantile(shown[name], 0.1),
               report::quantile(shown[name], 0.9)});
    std::vector<double> share, value;
    for (int i = 0; i <= 100; ++i) {
      share.push_back(i / 100.0);
      value.push_back(report::quantile(shown[name], share.back()));
    }
    panel.line(name, value, share);
  }
  run.table(table);
  run.figure("norms", std::move(figure), "Over all seeds; the starting weights of a seed are the same for all four.");
  const report::Interval difference = report::paired_difference_interval(medians["elu"], medians["relu"], 0.999);
  e10.at_least("median norm with elu minus that with relu, same weights, lower end of the 99.9 % interval", 0, difference.lower);
  e10.report("median norm with elu minus that with relu", difference.center,
             report::standard_error(differences(medians["elu"], medians["relu"])));
}

// -- training

struct Setting {
  double C, sigma, batch;
  Index steps;
  double lr;  // of the noisy mean of gradients over C, so that every C has noise of the same size
  std::uint64_t seed;
};

struct Outcome {
  std::vector<double> epsilon, accuracy;  // along the run
  double clipped = 0;                     // mean share of samples with norms above C
};

Outcome train_privately(lab::Run& run, const Task& task, const std::string& activation, const Setting& s, Index looks = 1) {
  manual_seed(s.seed);
  nn::Sequential net = network(task, activation);
  const double rate = s.batch / double(task.train.size());
  data::PoissonLoader loader{task.train, {.sampling_rate = rate, .seed = s.seed}};
  optim::DPSGD optimizer{
      net.named_parameters(),
      {.lr = s.lr / s.C, .noise_multiplier = s.sigma, .max_grad_norm = s.C, .expected_batch_size = s.batch, .seed = s.seed}};
  Outcome outcome;
  for (Index step = 1; step <= s.steps; ++step) {
    run.check_interrupt();
    const Tensor norms = train::private_step(net, optimizer, loader.next());
    if (norms.numel() > 0) outcome.clipped += mean((norms > s.C).to(float64)).item() / double(s.steps);
    if (step * looks / s.steps == (step - 1) * looks / s.steps) continue;
    outcome.epsilon.push_back(train::privacy_spent(optimizer, rate, delta).epsilon);
    outcome.accuracy.push_back(100 * train::evaluate(net, task.test).metric);
  }
  return outcome;
}

// Every activation with every clipping norm, at one sigma.
std::string clipping(lab::Run& run, lab::Claim& e10, const Task& task) {
  run.section("Accuracy against the clipping norm");
  const Index seeds = run.pick<Index>(3, 2), steps = task.mnist ? 100 : 60;
  const double batch = task.mnist ? 256 : 128, sigma = 1.1;
  const std::vector<double> norms = run.pick<std::vector<double>>({0.25, 1, 4, 16}, {0.5, 8});
  run.say(fmt::format(
      "{} steps of {:g} samples, sigma {:g}; the learning rate goes with 1 / C, so that the noise in the weights is the same for all.",
      steps, batch, sigma));
  Table table({"C", "activation", Column("accuracy, %").fixed(2), Column("standard error").fixed(2), Column("clipped, %").fixed(1)});
  Figure figure("Accuracy after private training against the clipping norm");
  auto& panel = figure.panel().x_label("clipping norm C").y_label("test accuracy, %").log_x();
  std::map<std::string, std::vector<std::vector<double>>> by_seed;
  std::map<std::string, std::vector<double>> best;
  std::map<double, double> mean_at;
  for (const std::string& name : names) {
    by_seed[name].resize(std::size_t(seeds));
    for (const double C : norms) {
      std::vector<double> accuracy;
      double clipped = 0;
      for (Index seed = 0; seed < seeds; ++seed) {
        const Outcome o = train_privately(run, task, name, {C, sigma, batch, steps, 1, run.seed() + 10 * std::uint64_t(seed)});
        accuracy.push_back(o.accuracy.back());
        by_seed[name][std::size_t(seed)].push_back(o.accuracy.back());
        clipped += 100 * o.clipped / double(seeds);
      }
      mean_at[C] += report::mean(accuracy) / double(names.size());
      table.row({C, name, report::mean(accuracy), report::standard_error(accuracy), clipped});
    }
    panel.line(name, norms, report::band(by_seed[name]));
    for (const auto& values : by_seed[name]) best[name].push_back(*std::max_element(values.begin(), values.end()));
  }
  run.table(table);
  run.figure("clipping", std::move(figure), "Mean and standard deviation over the seeds.");
  const auto [worst, top] =
      std::minmax_element(mean_at.begin(), mean_at.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  e10.report(fmt::format("accuracy, mean of all four, at the best C ({:g}), %", top->first), top->second);
  e10.report(fmt::format("the same at the worst C ({:g}), %", worst->first), worst->second);
  const report::Interval difference = report::paired_difference_interval(best["elu"], best["relu"]);
  e10.report("accuracy of elu minus relu, each at its best C, points", difference.center,
             report::standard_error(differences(best["elu"], best["relu"])));
  return fmt::format("Each at its best C, ELU's accuracy minus ReLU's is {:+.2f} points (95 % interval {:+.2f} to {:+.2f}, {} seeds): {}.",
                     difference.center, difference.lower, difference.upper, seeds, compared(difference));
}

// The noise that the budget asks for; accuracy along the run, against what it has given away.
void budget(lab::Run& run, lab::Claim& e10, const Task& task) {
  run.section("Accuracy against epsilon");
  const double batch = task.mnist ? 512 : 128, target = 3;
  const Index steps = task.mnist ? 700 : 80, seeds = run.pick<Index>(2, 1);
  const double sigma =
      theory::noise_multiplier_for({.epsilon = target, .delta = delta, .sampling_rate = batch / double(task.train.size()), .steps = steps});
  run.say(fmt::format("{} steps of {:g} samples; epsilon {:g} at delta 1e-5 needs sigma {:.4g}.", steps, batch, target, sigma));
  Table table({"activation", Column("epsilon").significant(6), Column("accuracy, %").fixed(2), Column("standard error").fixed(2)});
  Figure figure("Accuracy against what was given away");
  auto& panel = figure.panel().x_label("epsilon (delta 1e-5)").y_label("test accuracy, %");
  for (const std::string& name : names) {
    std::vector<std::vector<double>> curves;
    std::vector<double> last, epsilon;
    for (Index seed = 0; seed < seeds; ++seed) {
      const Outcome o = train_privately(run, task, name, {1, sigma, batch, steps, 2, run.seed() + 10 * std::uint64_t(seed)}, 8);
      curves.push_back(o.accuracy);
      last.push_back(o.accuracy.back());
      epsilon = o.epsilon;
    }
    panel.line(name, epsilon, report::band(curves));
    table.row({name, epsilon.back(), report::mean(last), report::standard_error(last)});
    e10.at_most(name + ": epsilon of the whole run, by the accountant", target + 1e-9, epsilon.back());
    const std::string what = fmt::format("{}: test accuracy on {} at epsilon 3, %", name, task.mnist ? "MNIST" : "digits");
    if (task.mnist && name == "elu")
      e10.at_least(what, 93, report::mean(last));
    else
      e10.report(what, report::mean(last), report::standard_error(last));
  }
  run.table(table);
  run.figure("epsilon", std::move(figure), "Mean and standard deviation over the seeds, eight looks at each run.");
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("private_training", "Private training and the slope of ELU",
               "Does a derivative of at most 1 help where the gradients of single samples are clipped?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e10 = run.claim(
        "E10",
        "With alpha = 1, ELU has |f'| <= 1, which keeps the gradients of single samples small; so DP-SGD can clip at a smaller norm, "
        "with less noise and better accuracy at the same privacy.");
    epsilons(run, e10);
    renyi_by_draws(run, e10);
    attack(run, e10);
    const Task task = load(run);
    one_step(run, e10, task);
    price(run, e10, task);
    slopes(run, e10);
    norms_at_start(run, e10, task);
    const std::string trained = clipping(run, e10, task);
    budget(run, e10, task);
    e10.verdict(Verdict::holds_if,
                "|f'| <= 1 holds for 0 < alpha <= 1, and just as well for ReLU and tanh: it sets ELU apart only from GELU (1.129), SiLU, "
                "Mish and SELU. It does not keep "
                "gradients small: weights and outputs do that, and at equal weights ELU's are larger than ReLU's, as E f'^2 is. Epsilon "
                "does not depend on C. A smaller C "
                "shrinks the noise and the clipped signal alike, so it helps only while most gradients are below it. " +
                    trained)
        .figure("clipping");
  });
}

// What do networks become when they are infinitely wide, and is it the kernel that the chapter writes down?
//
// Both kernels of a wide network, the one of its outputs (NNGP) and the one of its gradients (NTK), in closed form, by quadrature, and of
// real networks whose gradients come from the tape; how they converge; their spectra on the circle; what kernel regression and a wide
// network that is trained make of a smooth and of a rough function. The derivations are in docs/labs/infinite_width.md. Takes a minute.
// What you should see: the chapter's formula is the NNGP kernel; deviations that fall like one over the root of the width; and a GELU
// kernel whose spectrum falls geometrically, which helps for smooth functions and not for rough ones.
#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/kernels.hpp>
#include <gradus/theory/matrix.hpp>
#include <gradus/theory/moments.hpp>

#include "frame/lab.hpp"
#include "frame/wide.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;
using lab::WideNet;

namespace {

constexpr double pi = std::numbers::pi;

theory::NeuralKernels kernels(const std::string& activation, double c) { return theory::neural_kernels(activation, {1, 1, c}); }

void closed_forms(lab::Run& run, lab::Claim& g14) {
  run.section("Two kernels");
  const auto product_of_means = [](const char* name) { return std::pow(theory::gaussian_moments(name).mean, 2); };
  g14.equal("orthogonal inputs, ReLU: 1/(2 pi)", 1 / (2 * pi), kernels("relu", 0).nngp, {.relative = 1e-13});
  g14.equal("orthogonal inputs, GELU: 1/(4 pi)", 1 / (4 * pi), kernels("gelu", 0).nngp, {.relative = 1e-13});
  g14.equal("orthogonal inputs, ELU: (E f)^2", product_of_means("elu"), kernels("elu", 0).nngp, {.relative = 1e-12});
  g14.equal("orthogonal inputs, tanh: (E f)^2", product_of_means("tanh"), kernels("tanh", 0).nngp, {.absolute = 1e-15});
  Table table({"activation", Column("x.x'").significant(2), Column("NNGP = E f f'").significant(8), Column("NTK").significant(8),
               Column("NNGP over ReLU's").significant(6), Column("NTK over ReLU's").significant(6)});
  for (const double c : {0.0, 0.5, 1.0})
    for (const char* name : {"relu", "gelu", "elu", "tanh"}) {
      const theory::NeuralKernels k = kernels(name, c), relu = kernels("relu", c);
      table.row({name, c, k.nngp, k.ntk, k.nngp / relu.nngp, k.ntk / relu.ntk});
      if (c == 1) continue;
      const activations::Function f = activations::activation(name);
      g14.equal(fmt::format("{}, x.x' = {:g}: NNGP, and by two nested integrals", name, c), k.nngp, lab::nested_pair(f, c, 0), {.absolute = 1e-11});
      g14.equal(fmt::format("{}, x.x' = {:g}: NTK, and by two nested integrals", name, c), k.ntk, lab::nested_pair(f, c, 0) + c * lab::nested_pair(f, c, 1), {.absolute = 1e-11});
    }
  run.table(table);
  for (const double q : {0.1, 1.0, 10.0}) {
    const theory::Covariance orthogonal{q, q, 0};
    g14.equal(fmt::format("orthogonal inputs of squared norm {:g}: GELU over ReLU is q / (1 + q)", q), q / (1 + q),
              theory::pair_expectation("gelu", orthogonal) / theory::pair_expectation("relu", orthogonal), {.relative = 1e-12});
  }
  for (const double c : {0.5, 1.0}) {
    g14.report(fmt::format("GELU over ReLU at x.x' = {:g}, NNGP", c), kernels("gelu", c).nngp / kernels("relu", c).nngp);
    g14.report(fmt::format("GELU over ReLU at x.x' = {:g}, NTK", c), kernels("gelu", c).ntk / kernels("relu", c).ntk);
  }

  std::vector<double> cosines;
  for (int i = -10; i <= 10; ++i) cosines.push_back(i / 10.0);
  Figure figure("Kernels of inputs of norm 1");
  auto& nngp = figure.panel("NNGP: the chapter's formula").x_label("x.x'");
  auto& ntk = figure.panel("NTK").x_label("x.x'");
  for (const char* name : {"relu", "gelu", "elu", "tanh"}) {
    std::vector<double> output, gradient;
    for (const double c : cosines) {
      const theory::NeuralKernels k = kernels(name, c);
      output.push_back(k.nngp), gradient.push_back(k.ntk);
    }
    nngp.line(name, cosines, output);
    ntk.line(name, cosines, gradient);
  }
  run.figure("kernels", std::move(figure), "The two agree at x.x' = 0, and nowhere else.");
}

void real_networks(lab::Run& run, lab::Claim& g14) {
  run.section("Networks of width 1024, gradients by the tape");
  // One weight matrix at a time, as torch.autograd.functional would do it, and all samples at once, by the formulas: two roads.
  WideNet small(2, 7, 1, activations::activation("gelu"));
  const Tensor x = lab::circle({0.3, 2, 4});
  const lab::EmpiricalKernels fast = lab::empirical_kernels(small, x);
  Tensor slow = zeros({3, 3}, {.dtype = float64});
  for (std::size_t layer = 0; layer < small.weight.size(); ++layer) {
    const Tensor kept = small.weight[layer];
    const Tensor jacobian = autograd::jacobian(
        [&](const Tensor& w) {
          small.weight[layer] = w;
          return small(x);
        },
        kept).flatten(1);
    small.weight[layer] = kept;
    slow += matmul(jacobian, jacobian, {.transpose_b = true});
  }
  g14.at_most("a small network: NTK by autograd::jacobian and by per_sample_gradients differ by", 1e-14, abs(fast.ntk - slow).max().item());

  const Index networks = run.pick<Index>(400, 40);
  for (const char* name : {"relu", "gelu", "elu", "tanh"}) {
    const std::vector<double> cosines{1, 0.5, 0};
    const auto drawn = lab::draw_kernels(run, activations::activation(name), 1024, 1, networks, cosines);
    for (std::size_t i = 0; i < cosines.size(); ++i) {
      const theory::NeuralKernels k = kernels(name, cosines[i]);
      g14.measured(fmt::format("{}, x.x' = {:g}: NNGP of {} networks", name, cosines[i], networks), k.nngp, drawn[i].nngp);
      g14.measured(fmt::format("{}, x.x' = {:g}: NTK of {} networks", name, cosines[i], networks), k.ntk, drawn[i].ntk);
    }
    if (std::string(name) == "tanh") continue;
    const double deviation = std::fabs(report::mean(drawn[1].ntk) - kernels(name, 0.5).nngp) / report::standard_error(drawn[1].ntk);
    g14.at_least(fmt::format("{}, x.x' = 0.5: the networks' NTK is away from the chapter's formula by so many standard errors", name), 20, deviation);
  }
}

void spectra(lab::Run& run, lab::Claim& g15) {
  run.section("Spectra on the circle");
  const int highest = 128;
  const auto spectrum = [&](const char* name, bool ntk) {
    return theory::circle_spectrum([&](double c) { return ntk ? kernels(name, c).ntk : kernels(name, c).nngp; }, highest);
  };
  const std::vector<double> relu = spectrum("relu", false), relu_ntk = spectrum("relu", true), gelu = spectrum("gelu", false), gelu_ntk = spectrum("gelu", true);
  for (const std::size_t m : {2u, 8u, 32u})
    g15.equal(fmt::format("ReLU, NNGP, harmonic {}: 2 / (pi^2 (m^2 - 1)^2)", m), 2 / (pi * pi * std::pow(double(m * m) - 1, 2)), relu[m], {.relative = 1e-8});
  const auto exponent = [](const std::vector<double>& a) { return std::log2(a[128] / a[64]); };
  g15.equal("ReLU, NNGP: its spectrum falls like m to the power", -4, exponent(relu), {.absolute = 0.01});
  g15.equal("ReLU, NTK: its spectrum falls like m to the power", -2, exponent(relu_ntk), {.absolute = 0.01});
  // The GELU kernel has a singularity (2 - c)^(-1/2), its NTK (2 - c)^(-3/2): factors m^(-1/2) and m^(1/2) beside the geometric fall.
  const double ratio = theory::gelu_spectral_ratio();
  const auto fall = [](const std::vector<double>& a, std::size_t m, double power) { return std::sqrt(a[m + 2] / a[m] * std::pow(double(m) / double(m + 2), power)); };
  g15.equal("GELU, NNGP: the ratio of neighbours from harmonic 18 to 20, without m^(-1/2), and its limit 2 - sqrt 3", ratio, fall(gelu, 18, -0.5), {.relative = 0.02});
  g15.equal("GELU, NTK: the same, without m^(1/2)", ratio, fall(gelu_ntk, 18, 0.5), {.relative = 0.02});
  g15.at_most("GELU over ReLU, NTK, harmonic 8, each relative to its harmonic 0", 0.01, gelu_ntk[8] / gelu_ntk[0] / (relu_ntk[8] / relu_ntk[0]));

  // At equal inputs: in the angle t the ReLU NTK has the slope -1/(2 pi), a cusp, since it is even; GELU's has none.
  const double t = 1e-4;
  const auto slope = [&](const char* name) { return (kernels(name, std::cos(t)).ntk - kernels(name, 1).ntk) / t; };
  g15.equal("slope of the ReLU NTK by the angle at 0: -1/(2 pi)", -1 / (2 * pi), slope("relu"), {.absolute = 1e-3});
  g15.equal("slope of the GELU NTK by the angle at 0", 0, slope("gelu"), {.absolute = 1e-3});

  std::vector<double> m;
  std::vector<double> lines[4];
  for (std::size_t i = 2; i <= 64; i += 2) {
    m.push_back(double(i));
    lines[0].push_back(relu[i]), lines[1].push_back(relu_ntk[i]);
    lines[2].push_back(gelu[i] > 1e-15 ? gelu[i] : std::nan("")), lines[3].push_back(gelu_ntk[i] > 1e-15 ? gelu_ntk[i] : std::nan(""));
  }
  Figure figure("Spectra of the kernels on the circle");
  figure.panel().x_label("harmonic m (even)").y_label("coefficient").log_x().log_y().line("ReLU, NNGP", m, lines[0], {.like = "relu", .dash = report::Dash::dashed})
      .line("ReLU, NTK", m, lines[1], {.like = "relu"}).line("GELU, NNGP", m, lines[2], {.like = "gelu", .dash = report::Dash::dashed})
      .line("GELU, NTK", m, lines[3], {.like = "gelu"});
  run.figure("spectra", std::move(figure), "ReLU's fall as powers, m^-4 and m^-2; GELU's geometrically, until double precision ends.");
}

double rough(double angle) { return std::fabs(std::remainder(angle, 2 * pi)) - pi / 2; }  // kinks at 0 and pi

// The error, root mean square, of the interpolant of least norm through so many equispaced points; over 8 ways to turn the function
// against them, since much depends on where a kink lies.
double interpolation_error(const char* activation, double (*target)(double), Index points) {
  const Index turns = 8;
  const std::vector<double> train = lab::equispaced(points), test = lab::equispaced(501);
  const auto values = [&](const std::vector<double>& angles) {
    theory::Matrix y{Index(angles.size()), turns, {}};
    for (const double a : angles)
      for (Index turn = 0; turn < turns; ++turn) y.data.push_back(target(a - 2 * pi * (double(turn) + 0.5) / double(turns * points)));
    return y;
  };
  const theory::Matrix found = theory::kernel_regression(lab::ntk_matrix(activation, train, train), lab::ntk_matrix(activation, test, train), values(train)),
                       wanted = values(test);
  double sum = 0;
  for (std::size_t i = 0; i < found.data.size(); ++i) sum += std::pow(found.data[i] - wanted.data[i], 2);
  return std::sqrt(sum / double(found.data.size()));
}

void regression(lab::Run& run, lab::Claim& g15) {
  run.section("Interpolation of least norm with the NTK");
  const std::vector<Index> counts{4, 6, 8, 10, 12, 14, 16};
  Table table({"function", "points", Column("ReLU").significant(3), Column("GELU").significant(3), Column("ReLU over GELU").significant(3)});
  Figure figure("Interpolation by the NTK of ReLU and GELU");
  std::vector<double> x(counts.begin(), counts.end());
  for (double (*target)(double) : {lab::smooth_on_circle, rough}) {
    const char* name = target == lab::smooth_on_circle ? "smooth" : "with kinks";
    std::vector<double> relu, gelu;
    for (const Index points : counts) {
      relu.push_back(interpolation_error("relu", target, points));
      gelu.push_back(interpolation_error("gelu", target, points));
      table.row({name, points, relu.back(), gelu.back(), relu.back() / gelu.back()});
    }
    figure.panel(name).x_label("training points").y_label("error, root mean square").log_y().line("relu", x, relu).line("gelu", x, gelu);
    if (target == lab::smooth_on_circle) {
      g15.at_least("e^cos sin, 16 points: error of ReLU over that of GELU", 10, relu.back() / gelu.back());
    } else {
      g15.at_most("a function with two kinks, 16 points: error of ReLU over that of GELU", 1.5, relu.back() / gelu.back());
      g15.at_least("a function with two kinks, 16 points: the same", 0.5, relu.back() / gelu.back());
    }
  }
  run.table(table);
  run.figure("interpolation", std::move(figure), "Smoothness pays where the function is smooth.");
}

// The amplitude of cos(m angle) in values at equispaced angles.
double amplitude(const Tensor& values, Index m) {
  const std::vector<double> v = to_vector<double>(values);
  double sum = 0;
  for (std::size_t i = 0; i < v.size(); ++i) sum += v[i] * std::cos(2 * pi * double(m) * double(i) / double(v.size()));
  return 2 * sum / double(v.size());
}

// The NTK of equispaced points is circulant: its eigenvectors are the harmonics, and gradient descent shrinks each by its own factor,
// (1 - rate eigenvalue)^steps.
void dynamics(lab::Run& run, lab::Claim& g15) {
  run.section("What gradient descent learns first");
  const Index points = 16, seeds = run.pick<Index>(20, 5), width = run.pick<Index>(4096, 2048);
  const std::vector<double> angles = lab::equispaced(points);
  const std::vector<Index> harmonics{1, 2, 3, 4};
  const double size = 0.1;  // small targets keep the weights, and so the kernel, where they were
  std::vector<double> target(angles.size(), 0.0);
  for (std::size_t i = 0; i < angles.size(); ++i)
    for (const Index m : harmonics) target[i] += size * std::cos(double(m) * angles[i]);
  const Tensor x = lab::circle_with_bias(angles), y = from_vector(target);
  Figure figure("What is left of each harmonic under gradient descent");
  Table table({"activation", "harmonic", Column("eigenvalue").significant(4), "steps", Column("left, predicted").significant(4), Column("left, networks").significant(4)});
  double eigenvalues[2][2];
  for (const char* name : {"relu", "gelu"}) {
    const bool gelu = std::string(name) == "gelu";
    const Tensor first_row = from_vector(lab::ntk_matrix(name, {0}, angles).data);
    const auto eigenvalue = [&](Index m) { return amplitude(first_row, m) * double(points) / 2; };
    const double rate = 0.5 / (2 * eigenvalue(0));  // amplitude() doubles the mean, m = 0 has no twin
    eigenvalues[gelu][0] = eigenvalue(1), eigenvalues[gelu][1] = eigenvalue(4);
    const std::vector<Index> marks{10, 100, 1000};
    std::vector<std::vector<std::vector<double>>> left(marks.size(), std::vector<std::vector<double>>(harmonics.size()));
    for (Index s = 0; s < seeds; ++s) {
      run.check_interrupt();
      WideNet net(3, width, 1, activations::activation(name));
      const Tensor start = net(x).detach();
      optim::SGD optimizer{net.parameters(), {.lr = rate}};
      for (Index step = 0; step <= marks.back(); ++step) {
        optimizer.zero_grad();
        const Tensor residual = net(x) - start - y;
        const auto mark = std::find(marks.begin(), marks.end(), step);
        if (mark != marks.end())
          for (std::size_t h = 0; h < harmonics.size(); ++h) left[std::size_t(mark - marks.begin())][h].push_back(-amplitude(residual.detach(), harmonics[h]) / size);
        (0.5 * square(residual).sum()).backward();
        optimizer.step();
      }
    }
    auto& panel = figure.panel(name).x_label("step of gradient descent").y_label("amplitude left").log_x();
    for (std::size_t h = 0; h < harmonics.size(); ++h) {
      const auto predicted = [&](double step) { return std::pow(1 - rate * eigenvalue(harmonics[h]), step); };
      std::vector<double> steps, curve, shown;
      for (double e = 0; e <= 3.0001; e += 0.05) steps.push_back(std::pow(10, e)), curve.push_back(predicted(steps.back()));
      panel.line(fmt::format("cos {}t", harmonics[h]), steps, curve);
      for (std::size_t i = 0; i < marks.size(); ++i) {
        shown.push_back(report::mean(left[i][h]));
        table.row({name, harmonics[h], eigenvalue(harmonics[h]), marks[i], predicted(double(marks[i])), report::Measured{shown.back(), report::standard_error(left[i][h])}});
        // At a finite width the harmonics mix, by kernel elements that deviate like 1 / sqrt(width): a mean effect of order 1 / width,
        // largest where the eigenvalue itself is small.
        g15.measured(fmt::format("{}: left of cos {}t after {} steps, width {}", name, harmonics[h], marks[i], width), predicted(double(marks[i])), left[i][h],
                     {.sigmas = 5, .systematic = 100.0 / double(width)});
      }
      panel.points(fmt::format("cos {}t", harmonics[h]), {10, 100, 1000}, shown);
    }
  }
  run.table(table);
  run.figure("dynamics", std::move(figure), "Lines: the NTK. Points: networks, mean over seeds.");
  g15.at_least("eigenvalue of the NTK, harmonic 1 over harmonic 4: GELU's ratio over ReLU's (the smooth kernel prefers low frequencies more)", 1.2,
               eigenvalues[1][0] / eigenvalues[1][1] / (eigenvalues[0][0] / eigenvalues[0][1]));
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("infinite_width", "Networks of infinite width", "What do wide networks become, which kernel is it, and what does its smoothness do?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g14 = run.claim("G14", "The NTK of a network with one hidden layer is E[f(w.x) f(w.x')]; for orthogonal inputs GELU's is half of ReLU's.");
    closed_forms(run, g14);
    real_networks(run, g14);
    lab::kernel_convergence(run, g14, {"relu", "gelu"});
    g14.verdict(Verdict::wrong,
                "E[f(w.x) f(w.x')] is the NNGP kernel, the covariance of the outputs. The NTK adds x.x' E[f'(w.x) f'(w.x')], the gradient by the first layer. For "
                "orthogonal inputs that term is 0, so the ratio 1/2 is right for both kernels, for inputs of norm 1; for norm^2 q it is q/(1+q), and at "
                "x.x' = 1/2 it is 0.746 (NNGP) and 0.846 (NTK).")
        .figure("kernels");
    lab::Claim& g15 = run.claim("G15", "ReLU's NTK is continuous with singularities in higher derivatives, GELU's is very smooth; gradient descent finds the interpolant of "
                                       "least norm, so GELU networks prefer smooth functions and fit smooth data better.");
    spectra(run, g15);
    regression(run, g15);
    lab::training_and_regression(run, g15, {"relu", "gelu"});
    dynamics(run, g15);
    g15.verdict(Verdict::holds_if,
                "GELU's kernel is analytic, its spectrum on the circle falls like (2 - sqrt 3)^m; ReLU's NTK has a cusp, in its first derivative already, and falls like "
                "m^-2. Least norm holds for squared error, in the limit of infinite width, from an output of 0. GELU then wins where the function is smooth; "
                "for a function with kinks it has no such advantage, and high frequencies are learned more slowly.")
        .figure("spectra");
  });
}

// Does a GELU teacher teach a small network better, because GELU is smooth?
//
// First the loss: soft targets, their gradients and the factor T^2, beside theory. Then teachers with GELU and, as the control that the
// claim needs, with ReLU; and small students with ReLU and softplus that learn from hard labels or from the teachers' soft targets, on
// MNIST, with several seeds. Two minutes. What you should see: gradients that fall like 1/T^2, students that differ little, and whether it
// matters which teacher they had.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <gradus/gradus.hpp>
#include <gradus/models/mlp.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/distillation.hpp>

#include "frame/images.hpp"
#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Interval;
using gradus::report::Measured;
using gradus::report::Table;
using lab::Verdict;

namespace {

// ---- The loss ----

Tensor as_row(const std::vector<double>& logits) { return from_vector(logits, {1, Index(logits.size())}); }

// KL(q || p) without the factor T^2, and its gradient by the student's logits.
std::pair<double, std::vector<double>> divergence(const std::vector<double>& teacher, const std::vector<double>& student,
                                                  double temperature) {
  Tensor s = as_row(student).requires_grad_();
  const Tensor loss = nn::distillation_loss(s, as_row(teacher), {.temperature = temperature}) / (temperature * temperature);
  return {loss.item(), to_vector<double>(grad(loss, s))};
}

double length(const std::vector<double>& v) {
  double squares = 0;
  for (const double x : v) squares += x * x;
  return std::sqrt(squares);
}

void the_loss(lab::Run& run, lab::Claim& g9) {
  run.section("Soft targets and the factor T^2");
  const std::vector<double> teacher{2, 1, 0.5, -1}, student{1, 1.5, 0, -0.5};
  Table table({"T", Column("KL").significant(6), Column("T^2 KL").significant(6), Column("|gradient of KL|").significant(4),
               Column("T^2 |gradient|").significant(4)});
  std::vector<double> temperatures, plain, scaled;
  for (const double t : {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0}) {
    const theory::Distillation expected = theory::distillation(teacher, student, t);
    const auto [found, gradient] = divergence(teacher, student, t);
    std::vector<double> off;
    for (std::size_t i = 0; i < gradient.size(); ++i) off.push_back(gradient[i] - expected.gradient[i]);
    if (t <= 8) {
      g9.equal(fmt::format("T = {:g}: T^2 KL of the example", t), expected.scaled, t * t * found, {.absolute = 1e-12});
      g9.at_most(fmt::format("T = {:g}: gradient by autodiff and (p - q)/T differ by", t), 1e-14, length(off));
    }
    table.row({t, found, t * t * found, length(gradient), t * t * length(gradient)});
    temperatures.push_back(t), plain.push_back(length(gradient)), scaled.push_back(t * t * length(gradient));
  }
  run.table(table);
  g9.equal("T = 1e4: T^2 KL, and its limit", theory::distillation_limit(teacher, student), 1e8 * divergence(teacher, student, 1e4).first,
           {.relative = 1e-3});
  const double order = std::log2(length(divergence(teacher, student, 200).second) / length(divergence(teacher, student, 100).second));
  g9.equal("the gradient of KL is of order T^-2: the exponent between T = 100 and 200", -2, order, {.absolute = 0.02});
  Figure figure("Gradient of the soft-target loss");
  figure.panel().x_label("T").y_label("length").log_x().log_y().line("KL", temperatures, plain).line("T^2 KL", temperatures, scaled);
  run.figure("scaling", std::move(figure), "Without the factor T^2 soft targets lose their weight against hard labels as T grows.");
}

// ---- Training ----

using Loss = std::function<Tensor(const Tensor& logits, const Tensor& x, const Tensor& labels)>;

nn::Sequential train_network(lab::Run& run, const lab::Images& images, const models::MlpOptions& options, std::uint64_t seed, int epochs,
                             const Loss& loss) {
  manual_seed(seed);
  nn::Sequential net = models::mlp(images.train.x.size(1), images.train.num_classes(), options);
  data::DataLoader loader{images.train, {.batch_size = 64, .shuffle = true, .seed = seed}};
  optim::AdamW optimizer{net.parameters(), {.lr = 2e-3}};
  optim::CosineAnnealingLR schedule{optimizer, {.T_max = epochs * loader.size()}};
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (const auto& [x, y] : loader) {
      optimizer.zero_grad();
      loss(net(x), x, y).backward();
      optimizer.step();
      schedule.step();
    }
    run.check_interrupt();
  }
  return net;
}

Tensor hard(const Tensor& logits, const Tensor&, const Tensor& labels) { return nn::cross_entropy(logits, labels); }

Tensor taught_by(nn::Sequential& teacher, const Tensor& x) {
  const NoGrad no_grad;
  return teacher(x);
}

// The gap between confidence and accuracy, over ten bins of confidence weighted by their share (Guo et al. 2017).
double calibration_error(const Tensor& logits, const Tensor& labels) {
  const Tensor probabilities = softmax(logits.to(float64), 1);
  const std::vector<double> confidence = to_vector<double>(probabilities.max({.axes = {1}}));
  const std::vector<double> right = to_vector<double>((logits.argmax(1) == labels).to(float64));
  double sum[10] = {}, hits[10] = {};
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    const auto bin = std::min<std::size_t>(9, std::size_t(confidence[i] * 10));
    sum[bin] += confidence[i], hits[bin] += right[i];
  }
  double error = 0;
  for (int bin = 0; bin < 10; ++bin) error += std::fabs(sum[bin] - hits[bin]) / double(confidence.size());
  return error;
}

struct Score {
  double accuracy, loss, calibration;
};
Score score(nn::Sequential& net, const data::Dataset& test) {
  const Tensor logits = train::predict(net, test.x);
  const NoGrad no_grad;
  return {100 * train::accuracy(logits, test.y), nn::cross_entropy(logits, test.y).item(), calibration_error(logits, test.y)};
}

struct Scores {
  std::vector<double> accuracy, loss, calibration;
  void add(const Score& s) { accuracy.push_back(s.accuracy), loss.push_back(s.loss), calibration.push_back(s.calibration); }
};

Measured shown(const std::vector<double>& values) { return {report::mean(values), report::sample_std(values)}; }
double half(const Interval& interval) { return (interval.upper - interval.lower) / 2; }

std::string compared(const std::string& what, const Interval& difference) {
  const std::string numbers =
      fmt::format("{:+.2f} points, 95 % interval {:+.2f} to {:+.2f}", difference.center, difference.lower, difference.upper);
  if (difference.contains(0)) return fmt::format("{}: no difference that can be seen ({})", what, numbers);
  return fmt::format("{}: {} ({})", what, difference.center > 0 ? "better" : "worse", numbers);
}

struct Student {
  std::string name, activation, teacher;  // teacher "": hard labels
  double temperature;
  enum { soft, mixed, mixed_without_square } kind;
  bool few = false;  // sees only a part of the images that the teacher has seen
};

Loss student_loss(const Student& student, nn::Sequential& teacher) {
  const double t = student.temperature;
  if (student.kind == Student::soft)
    return [&teacher, t](const Tensor& logits, const Tensor& x, const Tensor&) {
      return nn::distillation_loss(logits, taught_by(teacher, x), {.temperature = t});
    };
  if (student.kind == Student::mixed)
    return [&teacher, t](const Tensor& logits, const Tensor& x, const Tensor& y) {
      return nn::distillation_loss(logits, taught_by(teacher, x), y, {.temperature = t, .soft_weight = 0.5});
    };
  return [&teacher, t](const Tensor& logits, const Tensor& x, const Tensor& y) {
    return nn::distillation_loss(logits, taught_by(teacher, x), {.temperature = t}) * (0.5 / (t * t)) + nn::cross_entropy(logits, y) * 0.5;
  };
}

// Returns what the intervals say.
std::string students(lab::Run& run, lab::Claim& g9) {
  const lab::Images images = lab::images(run, run.pick<Index>(6000, 800), run.pick<Index>(10000, 1000));
  run.section(fmt::format("Teachers and students on {}", images.name));
  const int seeds = run.pick(12, 3), teacher_epochs = run.pick(6, 4), student_epochs = run.pick(20, 10);
  const std::vector<Student> kinds{{"ReLU student, hard labels", "relu", "", 1, Student::soft},
                                   {"ReLU student, GELU teacher, T = 1", "relu", "gelu", 1, Student::soft},
                                   {"ReLU student, GELU teacher, T = 4", "relu", "gelu", 4, Student::soft},
                                   {"ReLU student, ReLU teacher, T = 4", "relu", "relu", 4, Student::soft},
                                   {"ReLU student, GELU teacher and labels, T = 4", "relu", "gelu", 4, Student::mixed},
                                   {"the same without T^2", "relu", "gelu", 4, Student::mixed_without_square},
                                   {"softplus student, hard labels", "softplus", "", 1, Student::soft},
                                   {"softplus student, GELU teacher, T = 4", "softplus", "gelu", 4, Student::soft},
                                   {"softplus student, ReLU teacher, T = 4", "softplus", "relu", 4, Student::soft},
                                   {"ReLU student with few images, hard labels", "relu", "", 1, Student::soft, true},
                                   {"ReLU student with few images, GELU teacher, T = 4", "relu", "gelu", 4, Student::soft, true},
                                   {"ReLU student with few images, ReLU teacher, T = 4", "relu", "relu", 4, Student::soft, true}};
  // As many steps for those with few images.
  const Index share = 10;
  lab::Images few = images;
  few.train.x = images.train.x.slice(0, 0, images.train.size() / share), few.train.y = images.train.y.slice(0, 0, few.train.x.size(0));
  std::map<std::string, Scores> teacher_scores;
  std::vector<Scores> scores(kinds.size());
  for (int seed = 1; seed <= seeds; ++seed) {
    std::map<std::string, nn::Sequential> teachers;
    for (const char* activation : {"gelu", "relu"}) {
      teachers.emplace(activation, train_network(run, images, {.hidden = {256, 256}, .activation = activation}, std::uint64_t(seed),
                                                 teacher_epochs, hard));
      teacher_scores[activation].add(score(teachers.at(activation), images.test));
    }
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      const Loss loss = kinds[k].teacher.empty() ? Loss(hard) : student_loss(kinds[k], teachers.at(kinds[k].teacher));
      nn::Sequential net = train_network(run, kinds[k].few ? few : images, {.hidden = {16}, .activation = kinds[k].activation},
                                         std::uint64_t(seed), student_epochs * (kinds[k].few ? int(share) : 1), loss);
      scores[k].add(score(net, images.test));
    }
  }

  Table table(
      {"network", Column("test accuracy, %").fixed(2), Column("test cross-entropy").fixed(4), Column("calibration error").fixed(4)});
  table.caption(fmt::format("{} seeds: mean and standard deviation; teachers have 256 + 256 hidden units, students 16; few images: {}",
                            seeds, few.train.size()));
  for (auto& [activation, s] : teacher_scores) table.row({activation + " teacher", shown(s.accuracy), shown(s.loss), shown(s.calibration)});
  table.rule();
  for (std::size_t k = 0; k < kinds.size(); ++k)
    table.row({kinds[k].name, shown(scores[k].accuracy), shown(scores[k].loss), shown(scores[k].calibration)});
  run.table(table);

  struct Pair {
    std::string name;
    const Scores &a, &b;
  };
  const std::vector<Pair> pairs{{"GELU teacher less ReLU teacher: the teachers themselves", teacher_scores["gelu"], teacher_scores["relu"]},
                                {"ReLU student: GELU teacher (T = 4) less hard labels", scores[2], scores[0]},
                                {"ReLU student: ReLU teacher (T = 4) less hard labels", scores[3], scores[0]},
                                {"ReLU student: GELU teacher less ReLU teacher (T = 4)", scores[2], scores[3]},
                                {"softplus student: GELU teacher (T = 4) less hard labels", scores[7], scores[6]},
                                {"softplus student: GELU teacher less ReLU teacher (T = 4)", scores[7], scores[8]},
                                {"few images: GELU teacher (T = 4) less hard labels", scores[10], scores[9]},
                                {"few images: GELU teacher less ReLU teacher (T = 4)", scores[10], scores[11]},
                                {"ReLU student: T = 4 less T = 1, GELU teacher", scores[2], scores[1]},
                                {"labels and soft targets: with T^2 less without", scores[4], scores[5]}};
  Figure figure("Differences of test accuracy, points");
  auto& panel = figure.panel().vertical(0);
  std::vector<Interval> differences;
  for (const Pair& pair : pairs) {
    const Interval accuracy = report::paired_difference_interval(pair.a.accuracy, pair.b.accuracy);
    const Interval loss = report::paired_difference_interval(pair.a.loss, pair.b.loss);
    const Interval calibration = report::paired_difference_interval(pair.a.calibration, pair.b.calibration);
    differences.push_back(accuracy);
    panel.interval(pair.name, accuracy);
    g9.report(pair.name + ": accuracy, points (± half of the 95 % interval)", accuracy.center, half(accuracy));
    g9.report(pair.name + ": cross-entropy", loss.center, half(loss));
    g9.report(pair.name + ": calibration error", calibration.center, half(calibration));
  }
  figure.width(1000);
  run.figure("students", std::move(figure), fmt::format("{} seeds, paired 95 % intervals.", seeds));
  // Every network has learned: guessing gives 10 %.
  for (std::size_t k = 0; k < kinds.size(); ++k)
    g9.at_least("test accuracy, %: " + kinds[k].name, run.pick(60, 40), report::mean(scores[k].accuracy));
  return compared("a ReLU student with a GELU teacher against hard labels", differences[1]) + "; " +
         compared("against the same student with a ReLU teacher, the control", differences[3]) + "; " +
         compared("for a softplus student, against hard labels", differences[4]) + "; " +
         compared("and against the ReLU teacher", differences[5]) + "; " +
         compared(fmt::format("for a student that sees only {} of the teacher's {} images, GELU teacher against hard labels",
                              few.train.size(), images.train.size()),
                  differences[6]) +
         "; " + compared("and against the ReLU teacher", differences[7]);
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("distillation", "Distillation from a GELU teacher",
               "Does a GELU teacher teach a small network better, because GELU is smooth?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g9 = run.claim("G9",
                               "Because GELU is smooth, the soft targets of a GELU teacher guide ReLU or softplus students to better "
                               "performance than hard labels.");
    the_loss(run, g9);
    const std::string empirical = students(run, g9);
    g9.verdict(Verdict::holds_if,
               "Soft targets carry weight beside hard labels only with the factor T^2, as the gradient of KL is (p - q)/T, of order 1/T^2; "
               "and a benefit depends on what "
               "the student has of its own, and is due to GELU only if a ReLU teacher does not give it. Measured: " +
                   empirical + ".")
        .figure("students");
  });
}

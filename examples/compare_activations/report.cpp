#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <gradus/report/files.hpp>
#include <gradus/report/html.hpp>
#include <gradus/report/plot.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/report/table.hpp>

#include "../common/run_folder.hpp"

namespace study {

using namespace gradus::report;

namespace {

// One curve per finished run.
std::vector<std::vector<double>> curves(const Results& results, const std::string& model, const std::string& activation,
                                        double EpochRow::*value) {
  std::vector<std::vector<double>> all;
  for (const Run* run : results.of(model, activation)) {
    if (run->diverged) continue;
    std::vector<double> curve;
    for (const EpochRow& row : run->epochs) curve.push_back(row.*value);
    all.push_back(std::move(curve));
  }
  return all;
}

std::vector<double> epochs_of(const std::vector<std::vector<double>>& runs) {
  std::vector<double> epochs(runs.empty() ? 0 : runs.front().size());
  for (std::size_t i = 0; i < epochs.size(); ++i) epochs[i] = double(i + 1);
  return epochs;
}

void training_panel(Panel& panel, const Settings& settings, const Results& results, const std::string& model,
                    double EpochRow::*value) {
  panel.x_label("epoch");
  for (const std::string& activation : settings.activations) {
    const auto runs = curves(results, model, activation, value);
    if (!runs.empty()) panel.line(activation, epochs_of(runs), band(runs));
  }
}

// How the rows of a run become a curve: over epochs, averaged over the layers that have an activation; or over layers, at the last
// epoch or averaged over all (steps at the end of a schedule are too small to tell anything).
enum class By { epoch, layer_at_end, layer_on_average };

std::vector<std::vector<double>> layer_curves(const Settings& settings, const Results& results, const std::string& model,
                                              const std::string& activation, double LayerRow::*value, By by) {
  std::vector<std::vector<double>> all;
  for (const Run* run : results.of(model, activation)) {
    if (run->diverged) continue;
    std::vector<double> sum, count;
    for (const LayerRow& row : run->layers) {
      if (!std::isfinite(row.*value) || (by == By::layer_at_end && row.epoch != settings.epochs)) continue;
      const std::size_t place = std::size_t(by == By::epoch ? row.epoch : row.layer) - 1;
      if (sum.size() <= place) sum.resize(place + 1), count.resize(place + 1);
      sum[place] += row.*value;
      count[place] += 1;
    }
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] /= count[i];
    all.push_back(std::move(sum));
  }
  return all;
}

void layer_panel(Panel& panel, const Settings& settings, const Results& results, const std::string& model, double LayerRow::*value,
                 By by) {
  panel.x_label(by == By::epoch ? "epoch" : "layer");
  for (const std::string& activation : settings.activations) {
    const auto runs = layer_curves(settings, results, model, activation, value, by);
    if (!runs.empty() && !runs.front().empty()) panel.line(activation, epochs_of(runs), band(runs));
  }
}

std::string upper(const std::string& model) { return model == "cnn" ? "CNN (LeNet)" : "MLP"; }

std::string points(double fraction) { return fmt::format("{:+.2f}", 100 * fraction); }

std::string rate_text(double lr) { return fmt::format("{:g}", lr); }

Table result_table(const Settings& settings, const std::vector<Comparison>& comparisons) {
  Table table({"model", "activation", Column("lr").right(), Column("test accuracy, %").right(), Column("95 % interval").right(),
               Column("difference to " + baseline(settings) + ", points").right(), "verdict"});
  std::string model;
  for (const Comparison& c : comparisons) {
    if (!model.empty() && model != c.model) table.rule();
    model = c.model;
    const bool has_interval = std::isfinite(c.low), has_difference = std::isfinite(c.difference);
    table.row({c.model, c.activation, rate_text(c.lr),
               c.finished == 0 ? "n/a" : std::isfinite(c.deviation) ? fmt::format("{:.2f} ± {:.2f}", 100 * c.mean, 100 * c.deviation)
                                                                     : fmt::format("{:.2f}", 100 * c.mean),
               has_interval ? fmt::format("{:.2f} to {:.2f}", 100 * c.low, 100 * c.high) : "n/a",
               !has_difference ? std::string(c.activation == baseline(settings) ? "" : "n/a")
               : std::isfinite(c.difference_low) ? fmt::format("{} ({} to {})", points(c.difference), points(c.difference_low), points(c.difference_high))
                                                 : points(c.difference),
               c.verdict});
  }
  return table;
}

}  // namespace

std::string console_table(const Settings& settings, const std::vector<Comparison>& comparisons) {
  return result_table(settings, comparisons).text();
}

void write_report(const Settings& settings, const Parts& parts, const Results& results, const std::vector<Comparison>& comparisons) {
  const std::string base = baseline(settings);
  struct Drawn {
    std::string name, caption;
    Figure figure;
  };
  std::vector<Drawn> final_figures;
  std::vector<std::vector<Drawn>> by_model;

  for (const std::string& model : settings.models) {
    Figure figure(upper(model) + ": final test accuracy, mean and 95 % interval");
    figure.palette(settings.activations);
    Panel& accuracy = figure.panel("test accuracy, %");
    Panel& difference = figure.panel("difference to " + base + ", points (paired by seed)");
    difference.vertical(0);
    for (const Comparison& c : comparisons) {
      if (c.model != model || c.finished == 0) continue;
      accuracy.interval(c.activation, {100 * c.mean, 100 * c.low, 100 * c.high});
      if (c.activation != base && std::isfinite(c.difference))
        difference.interval(c.activation, {100 * c.difference, 100 * c.difference_low, 100 * c.difference_high});
    }
    final_figures.push_back({"comparison_" + model,
                             "Each line is the mean over the seeds with its 95 % interval. Where an interval on the right does not "
                             "contain 0, the difference is larger than what the choice of the seed makes.",
                             std::move(figure)});

    std::vector<Drawn> drawn;
    {
      Figure training(upper(model) + ": training");
      training.palette(settings.activations).columns(2);
      training_panel(training.panel("training loss").log_y(), settings, results, model, &EpochRow::train_loss);
      training_panel(training.panel("validation loss").log_y(), settings, results, model, &EpochRow::val_loss);
      drawn.push_back({"loss_" + model, "Mean over the seeds; the band is one standard deviation.", std::move(training)});
    }
    {
      Figure accuracy_figure(upper(model) + ": accuracy");
      accuracy_figure.palette(settings.activations).columns(2);
      training_panel(accuracy_figure.panel("validation accuracy"), settings, results, model, &EpochRow::val_accuracy);
      training_panel(accuracy_figure.panel("test accuracy"), settings, results, model, &EpochRow::test_accuracy);
      drawn.push_back({"accuracy_" + model, "Mean over the seeds; the band is one standard deviation. Nothing was chosen by the test part.",
                       std::move(accuracy_figure)});
    }
    {
      Figure dead(upper(model) + ": where no gradient flows");
      dead.palette(settings.activations).columns(2);
      layer_panel(dead.panel("share of outputs with slope 0"), settings, results, model, &LayerRow::zero_gradient, By::epoch);
      layer_panel(dead.panel("share of dead units"), settings, results, model, &LayerRow::dead, By::epoch);
      drawn.push_back({"dead_units_" + model,
                       fmt::format("Averaged over the layers. A unit (a feature, or a channel) is called dead when the slope of its activation is "
                                   "exactly 0 at all of the {} samples looked at.",
                                   std::min<gradus::Index>(probe_samples, parts.validation.size())),
                       std::move(dead)});
    }
    {
      Figure layers(upper(model) + ": layer by layer");
      layers.palette(settings.activations).columns(2);
      layer_panel(layers.panel("gradient norm of the weights, mean over training").log_y(), settings, results, model, &LayerRow::grad_norm, By::layer_on_average);
      layer_panel(layers.panel("|update| / |weights| of a step, mean over training").log_y(), settings, results, model, &LayerRow::update_ratio, By::layer_on_average);
      layer_panel(layers.panel("mean of the activations, at the end"), settings, results, model, &LayerRow::mean, By::layer_at_end);
      layer_panel(layers.panel("variance of the activations, at the end"), settings, results, model, &LayerRow::variance, By::layer_at_end);
      drawn.push_back({"layers_" + model, "Mean over the seeds; the band is one standard deviation. The last layer has no activation behind it.",
                       std::move(layers)});
    }
    by_model.push_back(std::move(drawn));
  }

  const std::string figures = (settings.out / "figures").string();
  create_folder(figures);
  std::vector<std::pair<std::string, const Figure*>> all;
  for (const Drawn& drawn : final_figures) all.emplace_back(drawn.name, &drawn.figure);
  for (const auto& drawn_of_model : by_model)
    for (const Drawn& drawn : drawn_of_model) all.emplace_back(drawn.name, &drawn.figure);
  save_figures(figures, all);

  Page page(fmt::format("{} on {}", fmt::join(settings.activations, ", "), settings.data),
            fmt::format("The same network with {} activation functions, {} seeds each, {} epochs", settings.activations.size(), settings.seeds,
                        settings.epochs));
  page.heading("What came out");
  for (const std::string& model : settings.models) {
    std::vector<std::string> better, worse, same, unclear;
    for (const Comparison& c : comparisons) {
      if (c.model != model || c.activation == base) continue;
      (c.difference_low > 0 ? better : c.difference_high < 0 ? worse : std::isfinite(c.difference_low) && c.finished > 2 ? same : unclear)
          .push_back(c.activation + ": " + c.verdict);
    }
    std::vector<std::string> sentences;
    for (const auto* list : {&better, &worse, &same, &unclear})
      for (const std::string& sentence : *list) sentences.push_back(sentence);
    const bool differs = !better.empty() || !worse.empty();
    page.callout(Verdict::neutral,
                 upper(model) + (differs ? ": a difference that is larger than the noise" : same.empty() ? ": nothing can be said" : ": no difference beyond noise"),
                 sentences.empty() ? "Only one activation took part." : fmt::format("Compared with {} — {}.", base, fmt::join(sentences, "; ")));
  }
  page.table(result_table(settings, comparisons));
  page.paragraph(fmt::format(
      "Accuracy is the share of {} test samples that the network names right after the last epoch: mean ± standard deviation over the seeds, and the "
      "95 % interval of the mean (Student's t). The difference is taken seed by seed: for one seed all activations start from the same random draws "
      "and see the data in the same order, so what the seed brings to both drops out. With several comparisons in one table, one in twenty "
      "intervals misses 0 by chance.",
      parts.test.size()));
  for (const Drawn& drawn : final_figures) page.figure(drawn.figure, drawn.caption);

  bool any_diverged = false;
  for (const Run& run : results.runs) any_diverged = any_diverged || run.diverged;
  if (any_diverged) {
    page.heading("Runs that diverged");
    Table table({"model", "activation", "seed", Column("lr").right(), "epoch", "step", "first not finite"});
    for (const Run& run : results.runs)
      if (run.diverged) table.row({run.model, run.activation, run.seed, rate_text(run.lr), run.diverged_epoch, run.diverged_step, run.where});
    page.paragraph("Their loss became infinite or NaN. They count as diverged and are left out of means and figures.");
    page.table(table);
  }

  page.heading("What was compared");
  page.paragraph(parts.description + ". The division into parts is the same for all runs; inputs are standardised with the mean and deviation of the training part.");
  page.definitions({
      {"Networks", fmt::format("{}", fmt::join(settings.models, ", "))},
      {"Hidden layers of the mlp", fmt::format("{}", fmt::join(settings.hidden, ", "))},
      {"Activations", fmt::format("{}", fmt::join(settings.activations, ", "))},
      {"Seeds", fmt::format("{}", settings.seeds)},
      {"Epochs, batch size", fmt::format("{}, {}", settings.epochs, settings.batch_size)},
      {"Optimiser", fmt::format("{}, weight decay {}, {} schedule", settings.optimizer, settings.weight_decay, settings.schedule)},
      {"Learning rate", settings.lr ? fmt::format("{} for all", *settings.lr) : std::string("chosen for each network and activation on the validation part (below)")},
      {"Initialisation", settings.init == "preserving"
                             ? std::string("normal, with the variance that keeps the second moment of the pre-activations for the activation in use; biases 0")
                             : settings.init},
  });

  if (!settings.lr) {
    page.heading("How the learning rate was chosen");
    page.paragraph("Each rate was tried in shorter runs with seeds of their own. The rate with the best mean validation accuracy is used (the lower "
                   "validation loss decides a tie); when it lies at the edge of the range, the range is extended. The test part plays no role.");
    Table table({"model", "activation", Column("lr").right(), Column("validation accuracy").percent(2), Column("validation loss"), "chosen"});
    for (const Comparison& c : comparisons) {
      std::set<double> rates;
      for (const SweepRow& row : results.sweep)
        if (row.model == c.model && row.activation == c.activation) rates.insert(row.lr);
      for (const double rate : rates) {
        std::vector<double> accuracy, loss;
        for (const SweepRow& row : results.sweep)
          if (row.model == c.model && row.activation == c.activation && row.lr == rate) accuracy.push_back(row.val_accuracy), loss.push_back(row.val_loss);
        table.row({c.model, c.activation, rate_text(rate), mean(accuracy), mean(loss), rate == c.lr ? "✓" : ""});
      }
      if (!rates.empty()) table.rule();
    }
    page.details("All rates tried", [&](Page& inner) { inner.table(table); });
  }

  for (std::size_t i = 0; i < settings.models.size(); ++i) {
    page.heading(upper(settings.models[i]) + ", epoch by epoch");
    for (const Drawn& drawn : by_model[i]) page.figure(drawn.figure, drawn.caption);
  }

  page.heading("All runs");
  Table runs({"model", "activation", "seed", Column("lr").right(), "parameters", Column("validation accuracy").percent(2),
              Column("test accuracy").percent(2), Column("seconds per epoch").significant(3)});
  for (const Run& run : results.runs) {
    if (run.diverged) continue;
    std::vector<double> seconds;
    for (const EpochRow& row : run.epochs) seconds.push_back(row.seconds);
    runs.row({run.model, run.activation, run.seed, rate_text(run.lr), run.parameters, run.epochs.back().val_accuracy, run.epochs.back().test_accuracy, median(seconds)});
  }
  page.details("Every run that finished", [&](Page& inner) { inner.table(runs); });
  page.heading("How to get these numbers again");
  page.paragraph("The same settings and seeds give the same numbers on the same machine and number of threads. All of them are in `results.csv` (each epoch), "
                 "`layers.csv` (each layer), `summary.json` and `run.json`.");
  page.definitions(program::environment_lines());
  page.save((settings.out / "report.html").string());
}

}  // namespace study

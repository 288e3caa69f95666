#pragma once
// Measures workloads, for gradus and for its twin alike: this file knows neither framework.
//
// Every workload runs in a process of its own. A workload makes its inputs, hands the benchmark a step, and the
// benchmark repeats the step: 3 times and 0.2 s to warm up, then for --seconds and at least 10 samples. A step below 50
// us is timed in groups of 50 us.
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace benchmark {

struct Timing {
  double median_ms = 0, p10_ms = 0, p90_ms = 0;
  double cpu_ms = 0;  ///< of all threads together: p10; on one thread, what the step takes whoever else wants the core
  std::size_t steps = 0;
};

/// CPU time of this process so far.
double process_cpu_ms();

class Benchmark {
 public:
  Benchmark(double seconds, bool check, double launched) : seconds_(seconds), check_(check), launched_(launched) {}

  /// Times `step`; the first call of a workload gives its line in the results.
  template <class Step>
  Timing time(Step&& step) {
    using Clock = std::chrono::steady_clock;
    const auto run = [&](std::size_t steps) {
      const Clock::time_point start = Clock::now();
      for (std::size_t i = 0; i < steps; ++i) step();
      return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    };
    double first = run(1);
    started();
    std::size_t group = 1;
    std::vector<double> samples, cpu;
    if (check_) {
      samples.push_back(first);
      cpu.push_back(first);
    } else {
      double total = first;
      std::size_t steps = 1;
      for (; steps < 3 || total < 200; ++steps) total += run(1);
      while (run(group) < 0.05) group *= 2;
      for (double spent = 0; spent < seconds_ * 1e3 || samples.size() < 10;) {
        const double before = process_cpu_ms(), sample = run(group);
        cpu.push_back((process_cpu_ms() - before) / double(group));
        spent += sample;
        samples.push_back(sample / double(group));
      }
    }
    return finished(std::move(samples), std::move(cpu), group);
  }

  /// A further number of this workload, e.g. "gflops".
  void note(std::string name, double value) { notes_.emplace_back(std::move(name), value); }

  const Timing& result() const { return result_; }
  double startup_ms() const { return startup_ms_; }
  const std::vector<std::pair<std::string, double>>& notes() const { return notes_; }

 private:
  void started();
  Timing finished(std::vector<double> samples, std::vector<double> cpu, std::size_t group);

  double seconds_;
  bool check_;
  double launched_;
  double startup_ms_ = 0;
  Timing result_;
  std::vector<std::pair<std::string, double>> notes_;
};

struct Workload {
  const char* name;
  std::function<void(Benchmark&)> run;
};

/// The program: --workload NAME|all, --threads N, --seconds S, --json FILE (one line for each workload is added),
/// --check (one step of each, to see that it runs), --list.
int main_of(const char* implementation, std::span<const Workload> workloads, void (*set_threads)(int), int argc,
            char** argv);

}  // namespace benchmark

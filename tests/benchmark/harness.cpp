#include "harness.hpp"

#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace benchmark {
namespace {

// Comparable between processes.
double now_ms() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return double(time.tv_sec) * 1e3 + double(time.tv_nsec) * 1e-6;
}

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[std::size_t(q * double(sorted.size() - 1) + 0.5)];
}

// The largest resident size of this program's image; getrusage would count that of the process that launched it.
double peak_rss_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  return 0;
}

double busy_seconds_of_machine() {
  std::ifstream stat("/proc/stat");
  std::string label;
  double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0;
  stat >> label >> user >> nice >> system >> idle >> wait >> irq >> softirq >> steal;
  return (user + nice + system + irq + softirq + steal) / double(sysconf(_SC_CLK_TCK));
}

double busy_seconds_of_process() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Arguments {
  std::string workload = "all", json;
  int threads = int(std::thread::hardware_concurrency());
  double seconds = 1;
  bool check = false, list = false;
  double launched = 0;  // set for the process of a single workload: when it was launched
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto value = [&]() -> const char* {
      if (i + 1 == argc) throw std::invalid_argument(std::string(name) + " needs a value");
      return argv[++i];
    };
    if (name == "--workload")
      a.workload = value();
    else if (name == "--threads")
      a.threads = std::stoi(value());
    else if (name == "--json")
      a.json = value();
    else if (name == "--seconds")
      a.seconds = std::stod(value());
    else if (name == "--check")
      a.check = true;
    else if (name == "--list")
      a.list = true;
    else if (name == "--launched")
      a.launched = std::stod(value());
    else
      throw std::invalid_argument(
          "unknown argument " + std::string(name) +
          "; known: --workload NAME|all, --threads N, --seconds S, --json FILE, --check, --list");
  }
  if (a.threads < 1) throw std::invalid_argument("--threads must be at least 1");
  return a;
}

void run_here(const char* implementation, const Workload& workload, const Arguments& a, void (*set_threads)(int)) {
  if (a.threads == 1) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  set_threads(a.threads);
  const double start = now_ms(), machine = busy_seconds_of_machine(), process = busy_seconds_of_process();
  Benchmark benchmark(a.seconds, a.check, a.launched);
  workload.run(benchmark);
  const double elapsed = std::max(1e-3, (now_ms() - start) / 1e3);
  const double others =
      std::max(0.0, busy_seconds_of_machine() - machine - (busy_seconds_of_process() - process)) / elapsed;

  const Timing& t = benchmark.result();
  std::printf("%-12s %-7s %d thread%s  median %10.4f ms  p10 %10.4f  p90 %10.4f  (%zu steps, others' cpu %.2f)\n",
              workload.name, implementation, a.threads, a.threads == 1 ? " " : "s", t.median_ms, t.p10_ms, t.p90_ms,
              t.steps, others);
  for (const auto& [name, value] : benchmark.notes()) std::printf("%15s%s %.5g\n", "", name.c_str(), value);
  if (a.json.empty()) return;
  std::ostringstream line;
  line.precision(6);
  line << R"({"workload": ")" << workload.name << R"(", "impl": ")" << implementation << R"(", "threads": )"
       << a.threads << R"(, "median_ms": )" << t.median_ms << R"(, "p10_ms": )" << t.p10_ms << R"(, "p90_ms": )"
       << t.p90_ms << R"(, "cpu_ms": )" << t.cpu_ms << R"(, "steps": )" << t.steps << R"(, "peak_rss_mib": )" << peak_rss_mib() << R"(, "startup_ms": )"
       << benchmark.startup_ms() << R"(, "others_cpu": )" << others;
  for (const auto& [name, value] : benchmark.notes()) line << ", \"" << name << "\": " << value;
  line << "}\n";
  std::ofstream file(a.json, std::ios::app);
  if (!(file << line.str() << std::flush)) throw std::runtime_error("cannot write " + a.json);
}

// A fresh process: its start and its memory are those of this workload alone.
bool run_apart(const char* name, int argc, char** argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  arguments.insert(arguments.end(), {"--workload", name, "--launched", std::to_string(now_ms())});
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  int status = 1;
  if (posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, pointers.data(), environ) != 0 ||
      waitpid(child, &status, 0) != child || status != 0) {
    std::cerr << "workload " << name << " failed\n";
    return false;
  }
  return true;
}

}  // namespace

void Benchmark::started() {
  if (startup_ms_ == 0) startup_ms_ = now_ms() - launched_;
}

double process_cpu_ms() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) * 1e3 + double(time.tv_nsec) * 1e-6;
}

Timing Benchmark::finished(std::vector<double> samples, std::vector<double> cpu, std::size_t group) {
  std::sort(samples.begin(), samples.end());
  std::sort(cpu.begin(), cpu.end());
  const Timing timing{quantile(samples, 0.5), quantile(samples, 0.1), quantile(samples, 0.9), quantile(cpu, 0.1),
                      samples.size() * group};
  if (result_.steps == 0) result_ = timing;
  return timing;
}

int main_of(const char* implementation, std::span<const Workload> workloads, void (*set_threads)(int), int argc,
            char** argv) {
  try {
    const Arguments a = parse(argc, argv);
    if (a.list) {
      for (const Workload& workload : workloads) std::puts(workload.name);
      return 0;
    }
    bool known = false, good = true;
    for (const Workload& workload : workloads) {
      if (a.workload != "all" && a.workload != workload.name) continue;
      known = true;
      if (a.launched != 0)
        run_here(implementation, workload, a, set_threads);
      else
        good = run_apart(workload.name, argc, argv) && good;
    }
    if (!known) throw std::invalid_argument("no workload is called " + a.workload + "; --list shows them");
    return good ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 2;
  }
}

}  // namespace benchmark

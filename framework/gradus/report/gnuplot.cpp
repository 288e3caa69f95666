#include "gradus/report/gnuplot.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/report/text.hpp"

extern char** environ;

namespace gradus::report {
namespace {

constexpr auto operation = "gnuplot";

[[noreturn]] void fail_system(const char* what, int error) {
  failf(operation, "{}: {}", what, std::generic_category().message(error));
}

// A file descriptor that closes itself, and is never 0, 1 or 2 (a program may run with those closed).
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {
    if (number_ < 0 || number_ > 2) return;
    number_ = ::fcntl(number, F_DUPFD_CLOEXEC, 3);
    const int error = errno;
    ::close(number);
    if (number_ < 0) fail_system("cannot open a pipe", error);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept { return std::swap(number_, other.number_), *this; }
  ~Descriptor() { close(); }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }
  int get() const { return number_; }

 private:
  int number_ = -1;
};

std::pair<Descriptor, Descriptor> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_system("cannot open a pipe", errno);
  Descriptor read(ends[0]), write(ends[1]);
  return {std::move(read), std::move(write)};
}

// The child's input is a socket, because writing to one can be told not to raise SIGPIPE when the child is gone.
std::pair<Descriptor, Descriptor> make_input() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail_system("cannot open a socket", errno);
  Descriptor ours(ends[0]), theirs(ends[1]);
  return {std::move(ours), std::move(theirs)};
}

std::string find_gnuplot() {
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, end)) + "/gnuplot";
    // Relative entries are left out: a report must not run what happens to lie in the current folder.
    if (candidate.front() == '/' && end > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  fail(operation, "not found in PATH, and plots are drawn by it; hint: sudo apt-get install gnuplot-nox");
}

// A child that is always waited for, and ended first if it still runs.
class Child {
 public:
  explicit Child(pid_t id) : id_(id) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    wait();
  }
  // The status of waitpid; 0 when the program has told the system to reap its children by itself.
  int wait() {
    int status = 0;
    while (::waitpid(id_, &status, 0) < 0) {
      if (errno == EINTR) continue;
      status = 0;
      break;
    }
    id_ = -1;
    return status;
  }

 private:
  pid_t id_;
};

pid_t start(const std::string& program, int in, int out, int error) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
  // Signals as a fresh program expects them, whatever this one has blocked or ignored.
  sigset_t none, defaults;
  ::sigemptyset(&none);
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::sigaddset(&defaults, SIGCHLD);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  // The environment without what would change the picture: locale (decimal comma) and gnuplot's own variables.
  std::vector<std::string> kept;
  for (char** variable = environ; variable && *variable; ++variable) {
    const std::string_view text = *variable;
    if (!text.starts_with("LC_") && !text.starts_with("LANG") && !text.starts_with("GNUPLOT") &&
        !text.starts_with("GNUTERM") && !text.starts_with("DISPLAY="))
      kept.emplace_back(text);
  }
  kept.emplace_back("LC_ALL=C.UTF-8");
  kept.emplace_back("GNUTERM=dumb");
  std::vector<char*> environment;
  for (std::string& variable : kept) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::string name = "gnuplot", option = "--default-settings";
  std::array<char*, 3> arguments{name.data(), option.data(), nullptr};

  pid_t id = -1;
  const int failure = ::posix_spawn(&id, program.c_str(), &actions, &attributes, arguments.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failure) failf(operation, "cannot start {}: {}", program, std::generic_category().message(failure));
  return id;
}

// Appends what there is; false at the end of the stream.
bool receive(int file, std::string& to) {
  char buffer[65536];
  const ssize_t got = ::read(file, buffer, sizeof buffer);
  if (got > 0) to.append(buffer, static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

std::string shortened(std::string text) {
  text.erase(text.find_last_not_of(" \n") + 1);
  text.erase(0, text.find_first_not_of('\n') == std::string::npos ? 0 : text.find_first_not_of('\n'));
  if (text.size() > 2000) text = text.substr(0, 2000) + " ...";
  return clean_utf8(text);
}

}  // namespace

// An apostrophe is written twice; but gnuplot fails on one that comes first and on two in a row. These become primes.
std::string gnuplot_quote(std::string_view text) {
  const std::string clean = clean_utf8(text);
  const auto apostrophe = [&](std::size_t i) { return i < clean.size() && clean[i] == '\''; };
  std::string out = "'";
  for (std::size_t i = 0; i < clean.size(); ++i) {
    if (apostrophe(i))
      out += i == 0 || apostrophe(i - 1) || apostrophe(i + 1) ? "\u2032" : "''";
    else
      out += clean[i] == '\n' || clean[i] == '\t' ? ' ' : clean[i];  // a line break would end the command
  }
  return out + '\'';
}

std::string run_gnuplot(std::string_view script, double seconds) {
  const std::string program = find_gnuplot();
  auto [input, child_input] = make_input();
  auto [output, child_output] = make_pipe();
  auto [errors, child_errors] = make_pipe();
  Child child(start(program, child_input.get(), child_output.get(), child_errors.get()));
  child_input.close();
  child_output.close();
  child_errors.close();

  // Both directions at once, or a full pipe on one side would stop the other for ever.
  std::string result, complaint;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (output.get() >= 0 || errors.get() >= 0) {
    if (script.empty()) input.close();
    std::array<pollfd, 3> waiting{{{input.get(), POLLOUT, 0}, {output.get(), POLLIN, 0}, {errors.get(), POLLIN, 0}}};
    const double left = std::chrono::duration<double>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) failf(operation, "did not finish within {}", format_duration(seconds));
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(std::min(1000 * left, 1e6)) + 1) < 0 && errno != EINTR)
      fail_system("cannot wait", errno);
    if (waiting[0].revents) {
      const ssize_t sent = ::send(input.get(), script.data(), std::min<std::size_t>(script.size(), 1 << 16),
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) script.remove_prefix(static_cast<std::size_t>(sent));
      if (sent < 0 && errno != EAGAIN && errno != EINTR) script = {};  // it stopped reading; its status says why
    }
    if (waiting[1].revents && !receive(output.get(), result)) output.close();
    if (waiting[2].revents && !receive(errors.get(), complaint)) errors.close();
  }
  input.close();
  const int status = child.wait();
  if (status != 0) {
    const std::string how = WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                                                : fmt::format("failed ({})", WEXITSTATUS(status));
    failf(operation, "{}\n  {}", how, complaint.empty() ? "it gave no reason" : shortened(complaint));
  }
  return result;
}

}  // namespace gradus::report

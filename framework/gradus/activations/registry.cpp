#include "gradus/activations/registry.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <mutex>

#include "gradus/activations/builtin.hpp"
#include "gradus/core/format.hpp"

namespace gradus::activations {
namespace {

constexpr const char* operation = "activation";

// Makes the Function asked for as `text`, with the parameters given in it.
using Factory = std::function<Function(const std::string& text, const std::vector<double>& values)>;

template <class A> void set_parameters(A& a, const std::string& text, const std::vector<double>& values) {
  if constexpr (requires { A::parameters; }) {
    constexpr auto& parameters = A::parameters;
    if (values.size() > parameters.size()) {
      std::string known;
      for (const auto& parameter : parameters) known.append(known.empty() ? "" : ", ").append(parameter.name);
      failf(operation, "\"{}\" gives {} parameters, but {} takes {}: {}", text, values.size(), A::info.name,
            parameters.size(), known);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto& parameter = parameters[i];
      if (parameter.domain == Domain::positive && !(values[i] > 0))
        failf(operation, "\"{}\": {} must be positive, got {}", text, parameter.name, values[i]);
      if (parameter.domain == Domain::not_negative && !(values[i] >= 0))
        failf(operation, "\"{}\": {} must not be negative, got {}", text, parameter.name, values[i]);
      a.*parameter.member = values[i];
    }
  } else if (!values.empty()) {
    failf(operation, "\"{}\": {} takes no parameters", text, A::info.name);
  }
}

template <class A> Factory factory() {
  return [](const std::string& text, const std::vector<double>& values) {
    A a;
    set_parameters(a, text, values);
    return make_function(a, text);
  };
}

struct Registry {
  std::mutex mutex;
  std::map<std::string, Factory, std::less<>> entries;

  Registry() {
#define GRADUS_REGISTER(A) entries.emplace(A::info.name, factory<A>());
    GRADUS_ACTIVATIONS(GRADUS_REGISTER)
#undef GRADUS_REGISTER
  }
};

Registry& registry() {
  static Registry the;
  return the;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\r";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// The numbers of "a, b".
std::vector<double> parse_numbers(std::string_view list, std::string_view text) {
  std::vector<double> values;
  for (;;) {
    const std::size_t comma = list.find(',');
    const std::string_view item = trimmed(list.substr(0, comma));
    double value = 0;
    const char* end = item.data() + item.size();
    const auto [stop, error] = std::from_chars(item.data(), end, value);
    if (item.empty() || error != std::errc{} || stop != end || !std::isfinite(value))
      failf(operation, "\"{}\": the parameter \"{}\" is not a finite number", text, item);
    values.push_back(value);
    if (comma == std::string_view::npos) return values;
    list.remove_prefix(comma + 1);
  }
}

// How many letters must be inserted, removed, replaced or swapped with their neighbour to make one word the other
// (Damerau 1964, the restricted distance).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

[[noreturn]] void fail_unknown(std::string_view name) {
  const std::vector<std::string> known = names();
  // A name far too long to be a slip is not compared (nor repeated in full).
  const std::string_view shown = name.substr(0, 40);
  const auto nearest = std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
    return distance(shown, a) < distance(shown, b);
  });
  const std::size_t off = distance(shown, *nearest);
  const bool close = off <= std::max<std::size_t>(1, nearest->size() / 2);
  failf(operation, "there is no activation \"{}\"{}; known are {}", shown,
        close ? fmt::format("; did you mean \"{}\"?", *nearest) : "", fmt::join(known, ", "));
}

}  // namespace

Function activation(std::string_view name) {
  const std::string_view text = trimmed(name);
  const std::size_t open = text.find('(');
  const std::string_view base = trimmed(text.substr(0, open));
  Factory make;
  {
    Registry& r = registry();
    const std::scoped_lock lock(r.mutex);
    if (const auto entry = r.entries.find(base); entry != r.entries.end()) make = entry->second;
  }
  if (!make) fail_unknown(base);
  std::vector<double> values;
  if (open != std::string_view::npos) {
    if (text.back() != ')') failf(operation, "\"{}\" has no closing parenthesis at its end", text);
    values = parse_numbers(text.substr(open + 1, text.size() - open - 2), text);
  }
  return make(std::string(text), values);
}

void register_activation(std::string name, Function function) {
  const bool valid = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.';
  });
  if (!valid)
    failf("register_activation", "\"{}\" is no name for an activation; use letters, digits, '_', '-' and '.'", name);
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  r.entries.insert_or_assign(name, [function, name](const std::string& text, const std::vector<double>& values) {
    if (!values.empty()) failf(operation, "\"{}\": {} was registered as it is and takes no parameters", text, name);
    return function;
  });
}

std::vector<std::string> names() {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  std::vector<std::string> all;
  for (const auto& [name, make] : r.entries) all.push_back(name);
  return all;
}

}  // namespace gradus::activations

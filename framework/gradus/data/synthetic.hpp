#pragma once
// Small problems drawn at random. Sample i of a class problem belongs to class i modulo the number of classes, so the
// classes are balanced in the whole and in every part from the front. The same seed gives the same samples; without one
// they come from the default generator. Coordinates are of order 1.
#include <cstdint>
#include <optional>

#include "gradus/data/dataset.hpp"

namespace gradus::data {

struct SpiralOptions {
  double noise = 0;    ///< standard deviation of the normal noise on both coordinates
  double turns = 1.5;  ///< how often an arm goes round
  std::optional<std::uint64_t> seed = {};
};
/// Two arms of an Archimedean spiral, half a turn apart, after the benchmark of Lang and Witbrock (1988): at angle a =
/// 2 pi turns t with t uniform in [0, 1), the radius is 0.2 + 1.8 t. For 1.5 turns neighbouring arms are 0.6 apart. x
/// (n, 2), y (n), two classes.
Dataset two_spirals(Index n, const SpiralOptions& options = {});

struct MoonOptions {
  double noise = 0;
  std::optional<std::uint64_t> seed = {};
};
/// Two interleaved half circles of radius 1: (cos a, sin a) and (1 - cos a, 1/2 - sin a), a uniform in [0, pi). x (n,
/// 2), y (n).
Dataset two_moons(Index n, const MoonOptions& options = {});

struct CircleOptions {
  double noise = 0;
  double factor = 0.5;  ///< radius of the inner circle; the outer one has 1
  std::optional<std::uint64_t> seed = {};
};
/// A circle (class 1) within a circle (class 0): no line separates them, one radius does. x (n, 2), y (n).
Dataset circles(Index n, const CircleOptions& options = {});

struct BlobOptions {
  Index classes = 3;
  Index features = 2;
  double deviation = 0.5;  ///< of each blob, in each direction
  double box = 3;          ///< the centres are uniform in [-box, box) in each direction
  std::optional<std::uint64_t> seed = {};
};
/// Normal clouds around random centres. x (n, features), y (n).
Dataset blobs(Index n, const BlobOptions& options = {});

struct CheckerboardOptions {
  Index cells = 2;   ///< per side; 2 is the exclusive or of the two signs
  double noise = 0;  ///< added to the coordinates after the class is fixed
  std::optional<std::uint64_t> seed = {};
};
/// The square [-1, 1)^2 in cells x cells fields, black and white in turn. x (n, 2), y (n), two classes.
Dataset checkerboard(Index n, const CheckerboardOptions& options = {});

struct GaussianRingOptions {
  Index components = 8;
  double radius = 2;       ///< of the circle on which the centres lie, the first of them at (radius, 0)
  double deviation = 0.2;  ///< of each cloud, in each direction
  std::optional<std::uint64_t> seed = {};
};
/// Normal clouds at equal distances on a circle, each a class of its own: by default the eight Gaussians on which models
/// of densities are tried. x (n, 2), y (n).
Dataset gaussian_ring(Index n, const GaussianRingOptions& options = {});

struct SineOptions {
  double frequency = 1;  ///< periods in [-1, 1)
  double noise = 0;      ///< standard deviation of the normal noise on y
  std::optional<std::uint64_t> seed = {};
};
/// Regression: y = sin(pi frequency x) + noise, x uniform in [-1, 1). x (n, 1), y (n, 1).
Dataset sine(Index n, const SineOptions& options = {});

struct AddingOptions {
  Index length = 100;
  std::optional<std::uint64_t> seed = {};
};
/// The adding problem: a sequence of numbers uniform in [0, 1), two of them marked, one in each half; the answer is the
/// sum of these two. What is marked early has to be kept over up to `length` steps. Hochreiter and Schmidhuber, "Long
/// short-term memory" (1997), section 5.4, with the places of Arjovsky, Shah and Bengio (2016). Who answers 1 whatever
/// comes has a mean squared error of 1/6. x (n, length, 2): number and mark, y (n, 1). length >= 2.
Dataset adding_problem(Index n, const AddingOptions& options = {});

}  // namespace gradus::data

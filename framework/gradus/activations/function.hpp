#pragma once
// An activation as a value: what tensors, layers and the theory hold when the struct behind it is not known at compile
// time. Light: the templates that make one of a struct are in activations/make_function.hpp.
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "gradus/core/shape.hpp"

namespace gradus::activations {

/// What an activation tells of itself. Of a user's struct only the kinks are known, if it has a member kinks().
struct Traits {
  std::string formula;
  std::vector<double> kinks;  ///< where some derivative jumps
  bool monotone = false;
  bool smooth = false;
};

/// A function of one number and its derivatives, over arrays. Cheap to copy; immutable; safe to use from several
/// threads.
class Function {
 public:
  /// The compiled loops of one struct; made by make_function.
  class Kernels {
   public:
    virtual ~Kernels() = default;
    virtual void apply(int order, const float* x, const float* g, float* y, Index n) const = 0;
    virtual void apply(int order, const double* x, const double* g, double* y, Index n) const = 0;
    /// The struct, if it is of that type.
    virtual const void* target(const std::type_info&) const { return nullptr; }
  };
  /// `given[k]` tells whether derivative k is there; given[0] is true.
  Function(std::string name, std::string type, std::vector<bool> given, Traits traits,
           std::shared_ptr<const Kernels> kernels);

  /// "elu", "elu(0.5)", or the name of the struct.
  const std::string& name() const { return state_->name; }
  const Traits& traits() const { return state_->traits; }
  /// 1 when f and df are given, 3 when all are.
  int highest_derivative() const { return state_->highest; }

  /// y[i] = f^(order)(x[i]) for i < n. y may be x. On the calling thread; the bits of y[i] depend on x[i] alone.
  /// Throws Error when that derivative is not given.
  void evaluate(int order, const float* x, float* y, Index n) const;
  void evaluate(int order, const double* x, double* y, Index n) const;

  /// out[i] = g[i] f^(order)(x[i]) in one pass: with order 1 the derivative rule of the elementwise operation. out may
  /// be x or g.
  void product(int order, const float* x, const float* g, float* out, Index n) const;
  void product(int order, const double* x, const double* g, double* out, Index n) const;

  /// f^(order)(x) of one number.
  double operator()(int order, double x) const;
  double operator()(double x) const { return (*this)(0, x); }

  /// The struct that this was made of, with its parameters, if it is an A; else null. For closed forms.
  template <class A>
  const A* target() const {
    return static_cast<const A*>(state_->kernels->target(typeid(A)));
  }

 private:
  struct State {
    std::string name, type;
    std::vector<bool> given;
    int highest;
    Traits traits;
    std::shared_ptr<const Kernels> kernels;
  };
  void check(int order) const;

  std::shared_ptr<const State> state_;
};

/// What values a parameter may have, besides being finite.
enum class Domain { any, positive, not_negative };

/// Throws, naming both, when the value of a parameter is out of its domain.
void check_parameter(std::string_view activation, std::string_view parameter, double value, Domain domain);

/// The name of a type without its namespaces: "Softsign".
std::string type_name(const std::type_info& type);

}  // namespace gradus::activations

#pragma once
// Exact solutions and floors for networks that learn differential equations.

namespace gradus::theory {

/// Burgers' equation u_t + u u_x = nu u_xx with u(x, 0) = -sin(pi x), by Cole and Hopf's transformation: with weights
/// proportional to exp(-eta^2 / (4 nu t) - cos(pi y) / (2 pi nu)) over y = x - eta,
///   u = -E sin(pi y),   u_x = -Var(sin(pi y)) / (2 nu) - pi E cos(pi y).
struct BurgersPoint {
  double u, u_x;
};

/// At (x, t). Throws unless nu > 0 and t >= 0, all finite.
BurgersPoint burgers_sine(double x, double t, double nu);

struct BurgersFront {
  double time;
  double slope;  ///< u_x(0, time), negative
};

/// When the front at x = 0 is steepest, and how steep it is: for nu = 0.01 / pi, -152.0051616 at 0.5104698. Searched
/// for times up to 5, by golden sections. Throws unless nu > 0.
BurgersFront burgers_steepest(double nu);

/// The mean squared strong residual of -laplace u = f on the unit cube of `dimensions`, u = the product of sin(pi x_i),
/// for any network whose second derivatives vanish almost everywhere (relu): mean f^2 = (d pi^2)^2 / 2^d, with zero
/// gradient. pi^4 / 2 in one dimension, pi^4 in two. Throws for dimensions < 1.
double poisson_residual_floor(int dimensions);

}  // namespace gradus::theory

#pragma once
// Certified robustness: a ball around an input in which a plain network provably keeps its decision.
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/theory/lipschitz.hpp"
#include "gradus/theory/matrix.hpp"

namespace gradus::theory {

/// x -> weight x + bias; weight: (out, in), bias: out numbers, or none.
struct AffineLayer {
  Matrix weight;
  std::vector<double> bias;
};

/// Affine layers with the activation f between them (none after the last). All functions below throw when the layers do
/// not fit each other or the input, or hold something that is not finite.
struct PlainNetwork {
  std::vector<AffineLayer> layers;
  activations::Function f;
};

/// What the network answers to x.
std::vector<double> evaluate(const PlainNetwork& network, const std::vector<double>& x);

/// The network whose only output is logit a minus logit b. Throws when there is none of those, or they are the same.
PlainNetwork logit_difference(const PlainNetwork& network, Index a, Index b);

/// The product of the spectral norms and of sup |f'| over all reals for each activation: a Lipschitz constant (of the
/// Euclidean norms) everywhere.
double product_bound(const PlainNetwork& network);

/// For two layers W_1: (h, n) and w_2: (1, h) and slopes f' between `slopes[i].low` and `.high` in unit i, the largest
/// |W_1^T D w_2| over diagonal D with such entries: a Lipschitz constant wherever the slopes keep to their intervals,
/// never above the product bound of the same slopes. The norm is convex in D, so it is largest at a vertex: exact, by
/// trying all 2^h, for h
/// <= 16; above, |W_1^T C w_2| + |W_1| |R w_2| with centres C and radii R. Throws unless there are two layers, one
/// output and h slopes.
double slope_interval_bound(const PlainNetwork& network, const std::vector<Interval>& slopes);

struct Certificate {
  double margin;     ///< logit of the class minus the largest other
  double lipschitz;  ///< of that logit difference: everywhere, or over the ball
  double radius;  ///< margin / lipschitz: nowhere nearer (in the Euclidean norm) does the other class win; 0 for margin
                  ///< <= 0
};

/// The radius of the decision for `label` at x by the product bound, which holds everywhere: the least over all other
/// classes of margin / L, L of the logit *difference* (with a constant of all logits together it would be margin /
/// (sqrt 2 L)). For a network of one output, whose decision is its sign, label 1 is the positive side and 0 the
/// negative.
Certificate certify(const PlainNetwork& network, const std::vector<double>& x, Index label);

/// The same with slopes bounded only where the pre-activations can be: in the ball of radius r, unit i of the first
/// layer moves by |row_i| r at most, the layer's outputs together by its slopes' supremum times |W| r, and so on. L(r)
/// grows with r, and the radius is the largest r <= margin / L(r). So an interval constant is used only where the whole
/// ball stays in the interval. For two layers also with slope_interval_bound. Never below certify's radius.
Certificate certify_local(const PlainNetwork& network, const std::vector<double>& x, Index label);

}  // namespace gradus::theory

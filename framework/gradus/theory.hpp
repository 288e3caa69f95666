#pragma once
// What the theory predicts, as numbers in double.
#include "gradus/theory/certificate.hpp"
#include "gradus/theory/closed_moments.hpp"
#include "gradus/theory/denoising.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/kernels.hpp"
#include "gradus/theory/lipschitz.hpp"
#include "gradus/theory/matrix.hpp"
#include "gradus/theory/mean_field.hpp"
#include "gradus/theory/moments.hpp"
#include "gradus/theory/privacy.hpp"
#include "gradus/theory/quadrature.hpp"

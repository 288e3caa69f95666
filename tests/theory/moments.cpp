#include "gradus/theory/moments.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/activations/make_function.hpp"
#include "gradus/activations/registry.hpp"
#include "thrown.hpp"

using namespace gradus;
using std::numbers::pi;
using theory::gaussian_moments;
using theory::Moments;
using theory::preserving_weight_variance;

namespace {

// Relative to the size of what was added up: a mean that cancels cannot be better than that.
void check_close(double value, double expected, double scale, double tolerance = 1e-13) {
  CAPTURE(value);
  CAPTURE(expected);
  CHECK(std::abs(value - expected) <= tolerance * std::abs(expected) + 1e-15 * scale);
}

double Phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double phi(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * pi); }

struct Reference {
  const char* name;
  double mean, variance;
  double f, f2, var, df, df2;
};

// By tanh-sinh quadrature with thirty digits (mpmath), from the formulas of the activations.
const Reference references[] = {
    {"relu", 0.0, 1.0, 0.39894228040143267794, 0.5, 0.34084505690810466423, 0.5, 0.5},
    {"relu", 1.0, 2.0, 1.1996412283742456659, 2.7201411061872922036, 1.281002029372023159, 0.76024993890652326884,
     0.76024993890652326884},
    {"leaky_relu", 0.0, 1.0, 0.39495285759741835108, 0.50005, 0.34406224027563338148, 0.5050000000000000001, 0.50005},
    {"leaky_relu", 1.0, 2.0, 1.1976448160905032092, 2.7201690920766734744, 1.2858159865682182197, 0.7626474395174580362,
     0.76027391391263261652},
    {"elu", 0.0, 1.0, 0.16052057226655604962, 0.64494541749292386306, 0.61917856337214121988, 0.76157829186512337168,
     0.66810200122317060643},
    {"elu", 0.0, 0.015625, 0.0036610070910714407391, 0.01425815886595070772, 0.014244755893029832347,
     0.953793222040892356, 0.91403210294773541971},
    {"elu", 0.0, 64.0, 2.7406607894238863556, 32.426592521761957018, 24.915370959076397069, 0.54912254621242493212,
     0.52483761418680688222},
    {"elu", 1.0, 2.0, 1.0851166543602520942, 2.7915282738254297564, 1.6140501202554429463, 0.88547542598600642827,
     0.84233801961015040941},
    {"elu", -2.0, 0.5, -0.82634319888138572997, 0.70206603417860918643, 0.019222951841087776096, 0.1731677897611385224,
     0.048210202670575910022},
    {"elu", 3.0, 0.0009765625, 3.0, 9.0009765625, 0.0009765625, 1.0, 1.0},
    {"elu(0.5)", 0.0, 1.0, 0.27973142633399436378, 0.53623635437323096577, 0.45798668349438005034,
     0.63078914593256168584, 0.54202550030579265161},
    {"elu(0.5)", 1.0, 2.0, 1.14237894136724888, 2.7379878980968265918, 1.4329582524174703374, 0.82286268244626484856,
     0.78077195908243005398},
    {"celu(2)", 0.0, 1.0, 0.098179949842228817595, 0.74936248969730892811, 0.73972318714628636168,
     0.84961883472039806983, 0.76157829186512337168},
    {"celu(2)", 1.0, 2.0, 1.0531435301259063775, 2.8480336031246750701, 1.7389223080786191963, 0.92675115087583035582,
     0.88547542598600642827},
    {"selu", 0.0, 1.0, -1.5269837632367327069e-32, 1.0, 1.0, 0.98523111618579640707, 1.0715749924557992576},
    {"selu", 0.0, 0.015625, -0.028839974883134216625, 0.028547758329053584567, 0.027716014177793772095,
     1.3231640582288404264, 1.8317236128499919578},
    {"selu", 0.0, 64.0, 2.5606650290181788088, 36.645682570457693298, 30.088677179621022777, 0.61171280979454932862,
     0.62875719425361271404},
    {"selu", 1.0, 2.0, 1.0591186450403326592, 3.2236126990480139783, 2.1018803947759438107, 1.0189542077377587729,
     1.0930222147515688934},
    {"selu", -2.0, 0.5, -1.4531393590961942763, 2.1696449147347627999, 0.058030917780264540952, 0.30279166602322263036,
     0.14436636518533123929},
    {"selu", 3.0, 0.0009765625, 3.1521029620664414803, 9.936831181675875801, 0.0010780982078415835739,
     1.0507009873554804934, 1.1039725648297815797},
    {"gelu", 0.0, 1.0, 0.28209479177387814347, 0.42522148257029867492, 0.34564401102435100703, 0.5,
     0.45585086564928712211},
    {"gelu", 0.0, 0.015625, 0.0061853374832506600714, 0.0040198584446953805336, 0.003981600044913674924, 0.5,
     0.25964556097467553586},
    {"gelu", 0.0, 64.0, 3.1668927914243379566, 31.977018830735350029, 21.947808878359914717, 0.5,
     0.50659301170237440939},
    {"gelu", 1.0, 2.0, 1.1080878806200957484, 2.5993229863007875455, 1.3714642351236519786, 0.7831384544155271961,
     0.78759569015413350146},
    {"gelu", -2.0, 0.5, -0.059539026921827755777, 0.0062572346297791082156, 0.0027123389029809779284,
     -0.063248537071249744582, 0.00893130246642762861},
    {"gelu", 3.0, 0.0009765625, 2.9959351463735869969, 8.9766274990901160423, 0.0010000978135898977493,
     1.0119781069958414543, 1.0241006338963798299},
    {"gelu_tanh", 0.0, 1.0, 0.28203858807878871175, 0.4251937110330994512, 0.34564794586762279317, 0.5,
     0.45581784596295060428},
    {"gelu_tanh", 0.0, 0.015625, 0.0061851091454055151539, 0.0040198447632696006164, 0.0039815891881290216744, 0.5,
     0.25964417787946606287},
    {"gelu_tanh", 0.0, 64.0, 3.1669304457373651506, 31.977161168063346077, 21.947712719925079762, 0.5,
     0.50660479317134738282},
    {"gelu_tanh", 1.0, 2.0, 1.1080993602943189833, 2.5996027025011202301, 1.371718510216441276, 0.7832009798085188292,
     0.78773206943314543803},
    {"gelu_tanh", -2.0, 0.5, -0.059429968115322696938, 0.0062661941222359001462, 0.0027342730120476277556,
     -0.063530743453993942267, 0.0089862582916118380413},
    {"gelu_tanh", 3.0, 0.0009765625, 2.9963470846844827051, 8.9790952384722763337, 0.00099938657507776200238,
     1.011618187784974529, 1.0233723486741145796},
    {"silu", 0.0, 1.0, 0.20662096414190703726, 0.35577551981735215623, 0.31308329699442092254, 0.5,
     0.379482351632829309},
    {"silu", 0.0, 0.015625, 0.0038911091193288846844, 0.0039514393907045732329, 0.0039362986605260488243, 0.5,
     0.25384630442791413241},
    {"silu", 0.0, 64.0, 3.1136115285803890339, 31.851763350216633579, 22.157186599307926822, 0.5,
     0.50802956589115401338},
    {"silu", 1.0, 2.0, 1.0, 2.2968383385261962726, 1.2968383385261962726, 0.76561277950873209087,
     0.7217738032687379449},
    {"silu", -2.0, 0.5, -0.22057565948873692266, 0.051466228535526824445, 0.0028126069766356056208,
     -0.049788354741444750614, 0.010012588841105592521},
    {"silu", 3.0, 0.0009765625, 2.8577066075399773876, 8.1676432517014766781, 0.0011561969238303325624,
     1.0880924321861484812, 1.1839461591152505097},
    {"mish", 0.0, 1.0, 0.24040388837479144371, 0.45234219237588277068, 0.39454816283016358603, 0.56374755728838065334,
     0.47908375837396977461},
    {"mish", 0.0, 0.015625, 0.0049668458535923316495, 0.0056842962027800211624, 0.0056596266450466738248,
     0.59924896049340889511, 0.36533362688348461177},
    {"mish", 0.0, 64.0, 3.1377738167417709587, 31.980893190983978825, 22.135268665953757985, 0.50110641181457054486,
     0.5087126037634917631},
    {"mish", 1.0, 2.0, 1.0894690200227239541, 2.6041425751063295645, 1.4171998295170550765, 0.80670173572596176914,
     0.78563241764967490116},
    {"mish", -2.0, 0.5, -0.23638635260857006268, 0.059678162236079879405, 0.0037996545364966609276,
     -0.062539676767678645937, 0.01312279119317281108},
    {"mish", 3.0, 0.0009765625, 2.9865202234341063968, 8.9203213027704549341, 0.0010182577895501390786,
     1.0211246391283831535, 1.0426964245730799151},
    {"softplus", 0.0, 1.0, 0.80605918334743978453, 0.92124590885930027868, 0.27151450180055873184, 0.5,
     0.29337903585809296274},
    {"softplus", 0.0, 0.015625, 0.69509651056782572048, 0.48707297940627927188, 0.0039138204027118183707, 0.5,
     0.2509690163629513802},
    {"softplus", 0.0, 64.0, 3.2721584918058914708, 32.115520013172810806, 21.408498817675404486, 0.50000000000341041524,
     0.45134981987275225181},
    {"softplus", 1.0, 2.0, 1.4918017089751401692, 3.1920797279082629006, 0.96660738900711409592, 0.67505670233756540716,
     0.51258505350634811074},
    {"softplus", -2.0, 0.5, 0.15417861458974927472, 0.035027048859358295528, 0.011256003662543847611,
     0.13834680149422320179, 0.026110914494804239942},
    {"softplus", 3.0, 0.0009765625, 3.0486094144152195492, 9.2949054558226805945, 0.00088609416157274493847,
     0.95255415800201005128, 0.90736141924004271377},
    {"tanh", 0.0, 1.0, -1.9808471805018719887e-38, 0.39429449039784117442, 0.39429449039784117442,
     0.60570550960215882558, 0.46440290244826824197},
    {"tanh", 0.0, 0.015625, -6.0337328957022249079e-40, 0.015157182886973028622, 0.015157182886973028622,
     0.98484281711302697138, 0.97034856329761102985},
    {"tanh", 0.0, 64.0, -2.3037562745047560371e-36, 0.90089680682177465137, 0.90089680682177465137,
     0.099103193178225348626, 0.066323626334858744844},
    {"tanh", 1.0, 2.0, 0.45212439044997486948, 0.60063180969821427349, 0.39621534525845294653, 0.39936819030178572651,
     0.28151545879056515857},
    {"tanh", -2.0, 0.5, -0.91874150215300629434, 0.86081119962331809492, 0.016725251844955625553,
     0.13918880037668190508, 0.050951108328340281683},
    {"tanh", 3.0, 0.0009765625, 0.99504515744072642343, 0.99011496095482606386, 9.5608586028278163409e-8,
     0.0098850390451739361435, 0.000098092628870903245903},
    {"sigmoid", 0.0, 1.0, 0.5, 0.29337903585809296274, 0.043379035858092962738, 0.20662096414190703726,
     0.044836241350194371793},
    {"sigmoid", 1.0, 2.0, 0.67505670233756540716, 0.51258505350634811074, 0.056883502135479725693,
     0.16247164883121729642, 0.031628465750297997516},
    {"softsign", 0.0, 1.0, -1.6004432151462274265e-39, 0.18301402126654749909, 0.18301402126654749909,
     0.41275510033918321267, 0.2276713404221824997},
    {"softsign", 1.0, 2.0, 0.31933740097765518553, 0.29634877415760619441, 0.19437239849444246337,
     0.28784711246135536603, 0.1374049496642277792},
    {"hard_swish", 0.0, 1.0, 0.16621670065612330182, 0.33156737513790769459, 0.30393938356090039411, 0.5,
     0.3585315171786052437},
    {"hard_swish", 0.0, 0.015625, 0.0026041666666666666667, 0.0039265950520833333333, 0.0039198133680555555556, 0.5,
     0.25173611111111111111},
    {"hard_swish", 0.0, 64.0, 3.11828835568477428, 31.912890817724774253, 22.189168548525520901, 0.5,
     0.52254685314805342933},
    {"hard_swish", 1.0, 2.0, 0.96479108983726781296, 2.2838771760762571988, 1.353055329046874227,
     0.77875245900100362521, 0.76079431083911127974},
    {"hard_swish", -2.0, 0.5, -0.26492989057046995572, 0.084618811825323704572, 0.014430964907642519011,
     -0.11896610796116906783, 0.053717672070724097717},
    {"hard_swish", 3.0, 0.0009765625, 2.9938479070770609477, 8.9646622215090860203, 0.0015369307993878571107,
     1.2458443512458184096, 1.612587307209677451},
    {"softshrink", 0.0, 1.0, 5.3957809130500576069e-39, 0.41927852005066776313, 0.41927852005066776313,
     0.61707507745197379272, 0.61707507745197379272},
    {"softshrink", 1.0, 2.0, 0.74425640239237634177, 1.832466697873169959, 1.2785491053711271462,
     0.78258537825736090069, 0.78258537825736090069},
};

// Only a value, no derivative; a step whose kink is not announced.
struct Step {
  template <class V>
  V f(const V& x) const {
    return select(x > V(0.3), V(1), V(0));
  }
};

struct Nothing {
  template <class V>
  V f(const V& x) const {
    return V(0) * x;
  }
  template <class V>
  V df(const V&) const {
    return V(0);
  }
};

}  // namespace

TEST_CASE("moments of the built-in activations") {
  for (const Reference& r : references) {
    CAPTURE(std::string(r.name));
    CAPTURE(r.mean);
    CAPTURE(r.variance);
    const Moments m = gaussian_moments(r.name, {.mean = r.mean, .variance = r.variance});
    const double rms = std::sqrt(r.f2);
    check_close(m.mean, r.f, rms);
    check_close(m.second, r.f2, r.f2);
    check_close(m.variance, r.var, r.var);
    check_close(m.slope_mean, r.df, std::sqrt(r.df2));
    check_close(m.slope_second, r.df2, r.df2);
  }
}

TEST_CASE("GELU has closed forms, at any variance") {
  for (double q = 1e-6; q < 2e4; q *= 3.7) {
    CAPTURE(q);
    const Moments m = gaussian_moments("gelu", {.variance = q});
    const double second = q / 4 + q * std::asin(q / (1 + q)) / (2 * pi) + q * q / (pi * (1 + q) * std::sqrt(1 + 2 * q));
    check_close(m.second, second, 0);
    check_close(m.mean, q / std::sqrt(2 * pi * (1 + q)), std::sqrt(second));
    CHECK(std::abs(m.slope_mean - 0.5) < 2e-16 * 4);
    // Stein: E g(X) X = q E g'(X), here by integrating the mean over its own parameter: dE/dmu = E g'.
    check_close(m.variance + m.mean * m.mean, m.second, m.second);
  }
  // With a mean: E x Phi(x) = mu Phi(t) + q phi(t) / sqrt(1+q), t = mu / sqrt(1+q).
  for (const double mu : {-3.0, -0.7, 0.4, 5.0})
    for (const double q : {0.01, 1.0, 30.0}) {
      const double t = mu / std::sqrt(1 + q);
      CAPTURE(mu);
      CAPTURE(q);
      const Moments m = gaussian_moments("gelu", {.mean = mu, .variance = q});
      check_close(m.mean, mu * Phi(t) + q * phi(t) / std::sqrt(1 + q), std::sqrt(m.second), 1e-12);
    }
  const Moments one = gaussian_moments("gelu");
  check_close(one.variance, 1.0 / 3 + 1 / (2 * pi * std::sqrt(3.0)) - 1 / (4 * pi), 1);
  check_close(one.slope_second, 1.0 / 3 + 2 / (3 * std::sqrt(3.0) * pi), 1);
}

TEST_CASE("ReLU has closed forms, at any mean and variance") {
  for (const double mu : {-6.0, -2.0, -0.3, 0.0, 0.9, 4.0, 1000.0})
    for (const double q : {1e-8, 0.04, 1.0, 7.0, 1e8}) {
      const double s = std::sqrt(q), t = mu / s;
      if (t < -6) continue;  // the closed form itself has no digits there
      CAPTURE(mu);
      CAPTURE(q);
      const Moments m = gaussian_moments("relu", {.mean = mu, .variance = q});
      const double mean = mu * Phi(t) + s * phi(t), second = (mu * mu + q) * Phi(t) + mu * s * phi(t);
      const double lost = 5e-15 * (std::abs(mu) * s * phi(t) + (mu * mu + q) * Phi(t));
      CHECK(std::abs(m.mean - mean) <= 1e-13 * mean + 1e-15 * (std::abs(mu) * Phi(t) + s * phi(t)));
      CHECK(std::abs(m.second - second) <= 1e-13 * second + lost);
      CHECK(std::abs(m.slope_mean - Phi(t)) <= 1e-13 * Phi(t));
      CHECK(std::abs(m.slope_second - Phi(t)) <= 1e-13 * Phi(t));
      CHECK(std::abs(m.variance - (second - mean * mean)) <= 1e-13 * m.variance + 2e-15 * second + lost);
    }
  // Far in the tail: E relu = s (phi(t) - t Phi(-t)), by the asymptotic series phi(t) (1/t^2 - 3/t^4 + 15/t^6 - ...).
  const double t = 30, m = gaussian_moments("relu", {.mean = -t}).mean;
  double term = 1 / (t * t), series = 0;
  for (int k = 1; k < 20; ++k) {
    series += term;
    term *= -(2 * k + 1) / (t * t);
  }
  CHECK(m == doctest::Approx(phi(t) * series).epsilon(1e-11));
  CHECK(gaussian_moments("relu", {.mean = -100}).second == 0);
}

TEST_CASE("other closed forms") {
  const double e = std::exp(0.5);
  const Moments elu = gaussian_moments("elu");
  check_close(elu.mean, phi(0) + e * Phi(-1) - 0.5, 1);
  check_close(elu.slope_mean, 0.5 + e * Phi(-1), 1);
  check_close(elu.second, 0.5 + (std::exp(2.0) * Phi(-2) - 2 * e * Phi(-1) + 0.5), 1);
  check_close(elu.slope_second, 0.5 + std::exp(2.0) * Phi(-2), 1);
  for (const char* odd : {"tanh", "softsign", "identity", "softshrink"})
    CHECK(std::abs(gaussian_moments(odd).mean) < 1e-16);
  // The slope of f with f(x) - f(-x) = x is 1/2 on average under any even law.
  for (const char* half : {"gelu", "gelu_tanh", "silu", "softplus"})
    for (const double q : {0.1, 1.0, 9.0})
      CHECK(std::abs(gaussian_moments(half, {.variance = q}).slope_mean - 0.5) < 1e-15);
  const Moments identity = gaussian_moments("identity", {.mean = 2, .variance = 3});
  check_close(identity.mean, 2, 2);
  check_close(identity.second, 7, 7);
  check_close(identity.variance, 3, 3);
  CHECK(identity.slope_second == doctest::Approx(1).epsilon(1e-15));
  // SELU was made for this (Klambauer et al. 2017), to the digits of its constants.
  const Moments selu = gaussian_moments("selu");
  CHECK(std::abs(selu.mean) < 1e-15);
  CHECK(selu.variance == doctest::Approx(1).epsilon(1e-15));
  CHECK(selu.slope_second == doctest::Approx(1.0715750).epsilon(1e-7));
}

TEST_CASE("the Gaussian may be very narrow or very wide") {
  for (const char* name : {"gelu", "elu", "silu", "tanh", "mish", "softplus"}) {
    CAPTURE(std::string(name));
    const activations::Function f = activations::activation(name);
    const Moments narrow = gaussian_moments(f, {.mean = 0.5, .variance = 1e-20});
    CHECK(narrow.mean == doctest::Approx(f(0.5)).epsilon(1e-14));
    CHECK(narrow.variance == doctest::Approx(1e-20 * f(1, 0.5) * f(1, 0.5)).epsilon(1e-6));
    CHECK(narrow.slope_second == doctest::Approx(f(1, 0.5) * f(1, 0.5)).epsilon(1e-14));
    const Moments wide = gaussian_moments(f, {.variance = 1e12});
    const double limit = std::string_view(name) == "tanh" ? 1 : 5e11;
    CHECK(wide.second == doctest::Approx(limit).epsilon(1e-5));
  }
}

TEST_CASE("variances of weights that preserve those of pre-activations") {
  const auto w = [](const char* name) { return preserving_weight_variance(name); };
  CHECK(w("relu") == doctest::Approx(2).epsilon(1e-14));
  CHECK(w("selu") == doctest::Approx(1).epsilon(1e-14));
  CHECK(w("gelu") == doctest::Approx(2.351715614073373).epsilon(1e-14));
  CHECK(w("gelu_tanh") == doctest::Approx(2.3518692).epsilon(3e-8));
  CHECK(w("elu") == doctest::Approx(1.5505188080679273).epsilon(1e-14));
  CHECK(w("silu") == doctest::Approx(2.8107611).epsilon(3e-8));
  CHECK(w("mish") == doctest::Approx(2.2107157).epsilon(3e-8));
  CHECK(w("tanh") == doctest::Approx(2.5361754).epsilon(3e-8));
  CHECK(preserving_weight_variance("relu", {.fan_in = 100}) == doctest::Approx(0.02).epsilon(1e-14));
  CHECK(preserving_weight_variance("relu", {.fan_in = 7, .variance = 13}) == doctest::Approx(2.0 / 7).epsilon(1e-14));
  CHECK(preserving_weight_variance("leaky_relu(0.2)") == doctest::Approx(2 / 1.04).epsilon(1e-14));
  const double q = 0.3, second = gaussian_moments("gelu", {.variance = q}).second;
  CHECK(preserving_weight_variance("gelu", {.fan_in = 5, .variance = q}) ==
        doctest::Approx(q / (5 * second)).epsilon(1e-14));
}

TEST_CASE("a user's activation: only what it gives is asked for") {
  // Its kink is found by halving; no derivative is needed for the weights.
  const auto step = activations::make_function(Step{});
  CHECK(preserving_weight_variance(step) == doctest::Approx(1 / Phi(-0.3)).epsilon(1e-12));
  CHECK(thrown([&] { (void)gaussian_moments(step); }).find("df") != std::string::npos);
}

TEST_CASE("impossible Gaussians are refused") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const double q : {0.0, -1.0, inf, nan}) {
    CHECK(thrown([q] { (void)gaussian_moments("relu", {.variance = q}); }).find("gaussian_moments") !=
          std::string::npos);
    CHECK(thrown([q] {
            (void)preserving_weight_variance("relu", {.variance = q});
          }).find("preserving_weight_variance") != std::string::npos);
  }
  CHECK(thrown([nan] { (void)gaussian_moments("relu", {.mean = nan}); }).find("nan") != std::string::npos);
  CHECK(thrown([] { (void)preserving_weight_variance("relu", {.fan_in = 0}); }).find("fan_in") != std::string::npos);
  CHECK(thrown([] { (void)gaussian_moments("rleu"); }).find("relu") != std::string::npos);
  CHECK(thrown([] { (void)preserving_weight_variance(activations::make_function(Nothing{})); }).find("Nothing") !=
        std::string::npos);
}

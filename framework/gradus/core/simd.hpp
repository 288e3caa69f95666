#pragma once
// Batch<T>: as many numbers as the machine's vector registers hold, with the notation of one number. A thin value
// around xsimd::batch; the mathematics (exp, erf, ...) is in core/simd_math.hpp.
//
// Everything here is found by argument-dependent lookup: write exp(x), max(x, y), select(mask, a, b) without a
// namespace. The same functions exist for plain float and double, so that a template on V serves V = Batch<float>,
// Batch<double>, float and double.
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <xsimd/xsimd.hpp>

namespace gradus::simd {

/// True when fma(a, b, c) rounds once; elsewhere it is a * b + c.
#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
inline constexpr bool fused = true;
#else
inline constexpr bool fused = false;
#endif

#if defined(__AVX512F__)
/// 512 bits by intrinsics: xsimd 8.1 has no fma of its own here (a * b + c may be folded with another a * b), and the
/// maskless forms of the others make g++ 12 warn of an uninitialised source that is never read (its bug 105593).
namespace avx512 {
inline constexpr __mmask16 all_floats = 0xffff;
inline constexpr __mmask8 all_doubles = 0xff;
inline __m512 fma(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
inline __m512d fma(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
inline __m512 min(__m512 a, __m512 b) { return _mm512_mask_min_ps(a, all_floats, a, b); }
inline __m512d min(__m512d a, __m512d b) { return _mm512_mask_min_pd(a, all_doubles, a, b); }
inline __m512 max(__m512 a, __m512 b) { return _mm512_mask_max_ps(a, all_floats, a, b); }
inline __m512d max(__m512d a, __m512d b) { return _mm512_mask_max_pd(a, all_doubles, a, b); }
inline __m512 sqrt(__m512 a) { return _mm512_mask_sqrt_ps(a, all_floats, a); }
inline __m512d sqrt(__m512d a) { return _mm512_mask_sqrt_pd(a, all_doubles, a); }
inline __m512 floor(__m512 a) { return _mm512_mask_roundscale_ps(a, all_floats, a, _MM_FROUND_TO_NEG_INF); }
inline __m512d floor(__m512d a) { return _mm512_mask_roundscale_pd(a, all_doubles, a, _MM_FROUND_TO_NEG_INF); }
inline __m512 ceil(__m512 a) { return _mm512_mask_roundscale_ps(a, all_floats, a, _MM_FROUND_TO_POS_INF); }
inline __m512d ceil(__m512d a) { return _mm512_mask_roundscale_pd(a, all_doubles, a, _MM_FROUND_TO_POS_INF); }
inline __m512 scale(__m512 a, __m512 n) { return _mm512_mask_scalef_ps(a, all_floats, a, n); }
inline __m512d scale(__m512d a, __m512d n) { return _mm512_mask_scalef_pd(a, all_doubles, a, n); }
}  // namespace avx512
#endif

template <class T> class Batch;

/// One truth value per number of a Batch<T>.
template <class T> class Mask {
 public:
  using Native = xsimd::batch_bool<T>;
  Mask() = default;
  explicit Mask(const Native& native) : native_(native) {}
  const Native& native() const { return native_; }

  friend Mask operator&(const Mask& a, const Mask& b) { return Mask(a.native_ & b.native_); }
  friend Mask operator|(const Mask& a, const Mask& b) { return Mask(a.native_ | b.native_); }
  friend Mask operator&&(const Mask& a, const Mask& b) { return a & b; }
  friend Mask operator||(const Mask& a, const Mask& b) { return a | b; }
  friend Mask operator!(const Mask& a) { return Mask(~a.native_); }
  friend bool any(const Mask& a) { return xsimd::any(a.native_); }
  friend bool all(const Mask& a) { return xsimd::all(a.native_); }

 private:
  Native native_;
};

template <class T> class Batch {
 public:
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "batches are of float or double");
  using value_type = T;
  using Native = xsimd::batch<T>;
  using Integer = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  using NativeInteger = xsimd::batch<Integer>;

  /// How many numbers a batch holds.
  static constexpr int size = static_cast<int>(Native::size);
  /// The alignment in bytes that load_aligned and store_aligned ask for.
  static constexpr std::size_t alignment = sizeof(Native);
  /// A register of 512 bits.
  static constexpr bool wide = sizeof(Native) == 64;

  /// Uninitialised, as a plain number is.
  Batch() = default;
  /// The same number everywhere, rounded to T.
  template <class U>
  requires std::is_arithmetic_v<U> Batch(U number) : native_(static_cast<T>(number)) {}
  explicit Batch(const Native& native) : native_(native) {}
  const Native& native() const { return native_; }

  static Batch load(const T* from) { return Batch(Native::load_unaligned(from)); }
  static Batch load_aligned(const T* from) { return Batch(Native::load_aligned(from)); }
  void store(T* to) const { native_.store_unaligned(to); }
  void store_aligned(T* to) const { native_.store_aligned(to); }

  /// The first `count` numbers, 0 <= count <= size, and `fill` in the other places. Reads nothing beyond them.
  static Batch load_partial(const T* from, int count, T fill = T(0)) {
#if defined(__AVX512F__)
    if constexpr (wide) {
      if constexpr (sizeof(T) == 4)
        return Batch(
            Native(_mm512_mask_loadu_ps(_mm512_set1_ps(fill), static_cast<__mmask16>((1u << count) - 1), from)));
      else
        return Batch(
            Native(_mm512_mask_loadu_pd(_mm512_set1_pd(fill), static_cast<__mmask8>((1u << count) - 1), from)));
    }
#endif
    alignas(alignment) T all[size];
    for (int i = 0; i < size; ++i) all[i] = i < count ? from[i] : fill;
    return load_aligned(all);
  }
  /// Writes the first `count` numbers, 0 <= count <= size, and nothing beyond them.
  void store_partial(T* to, int count) const {
#if defined(__AVX512F__)
    if constexpr (wide) {
      if constexpr (sizeof(T) == 4)
        return _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), native_);
      else
        return _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), native_);
    }
#endif
    alignas(alignment) T all[size];
    store_aligned(all);
    for (int i = 0; i < count; ++i) to[i] = all[i];
  }
  /// The number at one place; for tests and rare paths.
  T operator[](int place) const {
    alignas(alignment) T all[size];
    store_aligned(all);
    return all[place];
  }

  friend Batch operator+(const Batch& a, const Batch& b) { return Batch(a.native_ + b.native_); }
  friend Batch operator-(const Batch& a, const Batch& b) { return Batch(a.native_ - b.native_); }
  friend Batch operator*(const Batch& a, const Batch& b) { return Batch(a.native_ * b.native_); }
  friend Batch operator/(const Batch& a, const Batch& b) { return Batch(a.native_ / b.native_); }
  friend Batch operator-(const Batch& a) { return Batch(a.native_ ^ sign_bit()); }
  friend Batch operator+(const Batch& a) { return a; }
  Batch& operator+=(const Batch& b) { return *this = *this + b; }
  Batch& operator-=(const Batch& b) { return *this = *this - b; }
  Batch& operator*=(const Batch& b) { return *this = *this * b; }
  Batch& operator/=(const Batch& b) { return *this = *this / b; }

  // Every comparison with a NaN is false, except that != is true.
  friend Mask<T> operator<(const Batch& a, const Batch& b) { return Mask<T>(a.native_ < b.native_); }
  friend Mask<T> operator<=(const Batch& a, const Batch& b) { return Mask<T>(a.native_ <= b.native_); }
  friend Mask<T> operator>(const Batch& a, const Batch& b) { return Mask<T>(b.native_ < a.native_); }
  friend Mask<T> operator>=(const Batch& a, const Batch& b) { return Mask<T>(b.native_ <= a.native_); }
  friend Mask<T> operator==(const Batch& a, const Batch& b) { return Mask<T>(a.native_ == b.native_); }
  friend Mask<T> operator!=(const Batch& a, const Batch& b) { return !(a == b); }

  /// a where the mask is true, b elsewhere.
  friend Batch select(const Mask<T>& mask, const Batch& a, const Batch& b) {
    return Batch(xsimd::select(mask.native(), a.native_, b.native_));
  }
  /// The smaller and the larger. When one of the two is NaN the result is b (x86) or NaN (ARM): put the number whose
  /// NaN must live second, as in max(V(0), x).
  friend Batch min(const Batch& a, const Batch& b) {
#if defined(__AVX512F__)
    if constexpr (wide) return Batch(Native(avx512::min(a.native_, b.native_)));
#endif
    return Batch(xsimd::min(a.native_, b.native_));
  }
  friend Batch max(const Batch& a, const Batch& b) {
#if defined(__AVX512F__)
    if constexpr (wide) return Batch(Native(avx512::max(a.native_, b.native_)));
#endif
    return Batch(xsimd::max(a.native_, b.native_));
  }
  friend Batch abs(const Batch& a) { return Batch(a.native_ & magnitude_bits()); }
  /// The magnitude of a with the sign of b.
  friend Batch copysign(const Batch& a, const Batch& b) {
    return Batch((a.native_ & magnitude_bits()) | (b.native_ & sign_bit()));
  }
  friend Batch sqrt(const Batch& a) {
#if defined(__AVX512F__)
    if constexpr (wide) return Batch(Native(avx512::sqrt(a.native_)));
#endif
    return Batch(xsimd::sqrt(a.native_));
  }
  friend Batch floor(const Batch& a) {
#if defined(__AVX512F__)
    if constexpr (wide) return Batch(Native(avx512::floor(a.native_)));
#endif
    return Batch(xsimd::floor(a.native_));
  }
  friend Batch ceil(const Batch& a) {
#if defined(__AVX512F__)
    if constexpr (wide) return Batch(Native(avx512::ceil(a.native_)));
#endif
    return Batch(xsimd::ceil(a.native_));
  }
  /// a * b + c; rounded once where `fused`.
  friend Batch fma(const Batch& a, const Batch& b, const Batch& c) {
#if defined(__AVX512F__)
    if constexpr (wide) return Batch(Native(avx512::fma(a.native_, b.native_, c.native_)));
#endif
    return Batch(xsimd::fma(a.native_, b.native_, c.native_));
  }

  friend T reduce_add(const Batch& a) {
    return reduce(a, [](T x, T y) { return x + y; });
  }
  /// NaN when any number is NaN.
  friend T reduce_max(const Batch& a) {
    return reduce(a, [](T x, T y) { return x > y || x != x ? x : y; });
  }
  friend T reduce_min(const Batch& a) {
    return reduce(a, [](T x, T y) { return x < y || x != x ? x : y; });
  }

 private:
  static Native sign_bit() { return Native(T(-0.0)); }
  static Native magnitude_bits() {
    return Native(std::bit_cast<T>(static_cast<Integer>(std::numeric_limits<Integer>::max() >> 1)));
  }
  // Halves are folded onto each other, so the order of the additions is a tree.
  template <class F> static T reduce(const Batch& a, F fold) {
    alignas(alignment) T all[size];
    a.store_aligned(all);
    for (int half = size / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) all[i] = fold(all[i], all[i + half]);
    return all[0];
  }

  Native native_;
};

// ---------------------------------------------------------------------------------------------------------------------
// What a template on V needs to know of its V.

template <class V> struct ElementOf { using type = V; };
template <class T> struct ElementOf<Batch<T>> { using type = T; };
/// float or double: the type of one number of V.
template <class V> using Element = typename ElementOf<V>::type;
template <class V> inline constexpr bool is_batch = !std::is_same_v<Element<V>, V>;

// ---------------------------------------------------------------------------------------------------------------------
// The same names for plain numbers.

template <std::floating_point T> T select(bool mask, T a, T b) { return mask ? a : b; }
template <std::floating_point T> T min(T a, T b) { return a < b ? a : b; }
template <std::floating_point T> T max(T a, T b) { return a > b ? a : b; }
template <std::floating_point T> T abs(T a) { return std::fabs(a); }
template <std::floating_point T> T copysign(T a, T b) { return std::copysign(a, b); }
template <std::floating_point T> T sqrt(T a) { return std::sqrt(a); }
template <std::floating_point T> T fma(T a, T b, T c) {
  if constexpr (fused) return std::fma(a, b, c);
  return a * b + c;
}
template <std::floating_point T> T floor(T a) { return std::floor(a); }
template <std::floating_point T> T ceil(T a) { return std::ceil(a); }
inline bool any(bool mask) { return mask; }
inline bool all(bool mask) { return mask; }

// ---------------------------------------------------------------------------------------------------------------------
// Bits of batches, for the mathematics.

template <class T> typename Batch<T>::NativeInteger bits(const Batch<T>& x) {
#if XSIMD_VERSION_MAJOR < 9
  return xsimd::bitwise_cast<typename Batch<T>::NativeInteger>(x.native());
#else
  return xsimd::bitwise_cast<typename Batch<T>::Integer>(x.native());
#endif
}
template <class T> Batch<T> from_bits(const typename Batch<T>::NativeInteger& x) {
#if XSIMD_VERSION_MAJOR < 9
  return Batch<T>(xsimd::bitwise_cast<typename Batch<T>::Native>(x));
#else
  return Batch<T>(xsimd::bitwise_cast<T>(x));
#endif
}

/// The bits of every number moved `places` up or down, zeros moving in. T is that of the batch they come from.
template <class T, int places> typename Batch<T>::NativeInteger shift_up(const typename Batch<T>::NativeInteger& x) {
#if defined(__AVX512F__)
  using Native = typename Batch<T>::NativeInteger;
  if constexpr (Batch<T>::wide && sizeof(T) == 4)
    return Native(_mm512_mask_slli_epi32(x, avx512::all_floats, x, places));
  else if constexpr (Batch<T>::wide)
    return Native(_mm512_mask_slli_epi64(x, avx512::all_doubles, x, places));
#endif
  return x << places;
}
template <class T, int places> typename Batch<T>::NativeInteger shift_down(const typename Batch<T>::NativeInteger& x) {
#if defined(__AVX512F__)
  using Native = typename Batch<T>::NativeInteger;
  if constexpr (Batch<T>::wide && sizeof(T) == 4)
    return Native(_mm512_mask_srli_epi32(x, avx512::all_floats, x, places));
  else if constexpr (Batch<T>::wide)
    return Native(_mm512_mask_srli_epi64(x, avx512::all_doubles, x, places));
#endif
  return x >> places;
}

}  // namespace gradus::simd

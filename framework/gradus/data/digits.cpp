#include "gradus/data/digits.hpp"

namespace gradus::data {

Dataset digits() {
  Dataset dataset;
  dataset.x = Tensor::make("digits", {detail::digits_count, 1, 8, 8}, float32);
  dataset.y = Tensor::make("digits", {detail::digits_count}, int64);
  float* pixel = dataset.x.data<float>();
  std::int64_t* label = dataset.y.data<std::int64_t>();
  for (const auto& row : detail::digits_rows) {
    *label++ = row[0] - '0';
    for (int i = 1; i <= 64; ++i) *pixel++ = float(row[i] - 'a') / 16.0f;
  }
  for (char digit = '0'; digit <= '9'; ++digit) dataset.class_names.emplace_back(1, digit);
  dataset.name = "digits";
  return dataset;
}

}  // namespace gradus::data

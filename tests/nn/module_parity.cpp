// The layers of nn against PyTorch's, with its names (tests/parity/modules.py wrote modules.inc).
#include <functional>
#include <map>

#include "gradus/nn.hpp"
#include "parity/modules.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

const std::vector<ModuleRow> rows{
#include "nn/modules.inc"
};

struct Case {
  nn::AnyModule module;
  Shape shape;
};

std::map<std::string, Case> cases() {
  std::map<std::string, Case> all;
  const auto add = [&](const std::string& name, nn::AnyModule module, const Shape& shape) {
    all.insert({name, Case{std::move(module), shape}});
  };
  add("Linear", nn::Linear{5, 3}, {2, 4, 5});
  add("Linear without bias", nn::Linear{7, 2, {.bias = false}}, {3, 7});
  add("Conv2d", nn::Conv2d{3, 4, 3}, {2, 3, 7, 6});
  add("Conv2d stride", nn::Conv2d{3, 5, {3, 2}, {.stride = {2, 3}, .padding = {1, 0}}}, {2, 3, 8, 9});
  add("Conv2d dilation, groups", nn::Conv2d{4, 6, 3, {.padding = 2, .dilation = 2, .groups = 2, .bias = false}},
      {2, 4, 6, 7});
  add("Conv2d 1x1", nn::Conv2d{5, 4, 1, {.stride = 2}}, {2, 5, 7, 6});
  add("Conv2d wide", nn::Conv2d{13, 14, 3, {.padding = 1}}, {3, 13, 30, 29});
  add("MaxPool2d", nn::MaxPool2d{2}, {2, 3, 6, 9});
  add("MaxPool2d overlapping", nn::MaxPool2d{{3, 2}, {.stride = {2, 1}, .padding = {1, 1}}}, {2, 3, 7, 8});
  add("BatchNorm1d", nn::BatchNorm1d{4}, {6, 4});
  add("BatchNorm1d of sequences", nn::BatchNorm1d{3, {.eps = 0.1, .momentum = 0.3}}, {4, 3, 5});
  add("BatchNorm2d", nn::BatchNorm2d{3}, {4, 3, 2, 5});
  add("BatchNorm2d without affine", nn::BatchNorm2d{3, {.affine = false}}, {2, 3, 4, 3});
  add("BatchNorm2d without running statistics", nn::BatchNorm2d{3, {.track_running_stats = false}}, {2, 3, 4, 3});
  add("PReLU", nn::PReLU{}, {3, 4});
  add("PReLU of channels", nn::PReLU{{.num_parameters = 3}}, {2, 3, 4});
  add("Conv1d", nn::Conv1d{3, 4, 3}, {2, 3, 11});
  add("Conv1d stride, groups", nn::Conv1d{4, 6, 5, {.stride = 2, .padding = 2, .groups = 2, .bias = false}},
      {3, 4, 12});
  add("Conv1d dilation", nn::Conv1d{2, 3, 3, {.padding = 3, .dilation = 3}}, {2, 2, 7});
  add("ConvTranspose2d", nn::ConvTranspose2d{3, 4, 3}, {2, 3, 4, 5});
  add("ConvTranspose2d stride", nn::ConvTranspose2d{3, 2, 3, {.stride = 2, .padding = 1, .output_padding = 1}},
      {2, 3, 4, 5});
  add("ConvTranspose2d groups",
      nn::ConvTranspose2d{
          4, 6, {2, 3}, {.stride = {3, 2}, .padding = {0, 1}, .output_padding = {2, 0}, .groups = 2, .bias = false}},
      {2, 4, 3, 4});
  add("ConvTranspose2d dilation",
      nn::ConvTranspose2d{2, 3, 3, {.stride = 2, .padding = 2, .output_padding = 2, .dilation = 3}}, {2, 2, 4, 3});
  add("GroupNorm", nn::GroupNorm{3, 6}, {2, 6, 4, 5});
  add("GroupNorm of one group", nn::GroupNorm{1, 4, {.eps = 0.1}}, {3, 4, 7});
  add("GroupNorm of channels", nn::GroupNorm{4, 4, {.affine = false}}, {3, 4, 5});
  add("LayerNorm", nn::LayerNorm{7}, {3, 4, 7});
  add("RMSNorm", nn::RMSNorm{7}, {3, 4, 7});
  add("RMSNorm of two axes", nn::RMSNorm{Shape{4, 7}, {.eps = 0.1}}, {3, 4, 7});
  add("AvgPool2d", nn::AvgPool2d{3, {.stride = 2, .padding = 1}}, {2, 3, 7, 8});
  add("AvgPool2d inside", nn::AvgPool2d{{3, 2}, {.stride = {2, 1}, .padding = 1, .count_include_pad = false}},
      {2, 3, 7, 8});
  add("AdaptiveAvgPool2d", nn::AdaptiveAvgPool2d{{3, 5}}, {2, 3, 7, 8});
  add("WeightNorm Linear", nn::WeightNorm{nn::Linear{5, 3}}, {4, 5});
  add("WeightNorm Conv1d", nn::WeightNorm{nn::Conv1d{2, 3, 3, {.padding = 1}}}, {2, 2, 7});
  add("WeightNorm Conv2d",
      nn::WeightNorm{nn::Conv2d{4, 6, 3, {.stride = 2, .padding = 1, .groups = 2, .bias = false}}}, {2, 4, 5, 6});
  add("SpectralNorm Linear", nn::SpectralNorm{nn::Linear{5, 3}}, {4, 5});
  add("SpectralNorm Conv1d", nn::SpectralNorm{nn::Conv1d{2, 3, 3, {.dilation = 2, .bias = false}}}, {2, 2, 7});
  add("SpectralNorm Conv2d", nn::SpectralNorm{nn::Conv2d{3, 4, 3, {.padding = 1}}, {.n_power_iterations = 3}},
      {2, 3, 5, 6});
  for (const std::string act : {"relu", "elu", "gelu"}) {
    add("PreActBlock " + act, nn::PreActBlock{3, 3, {.activation = act}}, {3, 3, 5, 6});
    add("PreActBlock " + act + " wider", nn::PreActBlock{3, 4, {.activation = act}}, {3, 3, 5, 6});
    add("PreActBlock " + act + " stride", nn::PreActBlock{4, 6, {.stride = 2, .activation = act}}, {3, 4, 5, 6});
    add("PostActBlock " + act, nn::PostActBlock{3, 3, {.activation = act}}, {3, 3, 5, 6});
    add("PostActBlock " + act + " wider", nn::PostActBlock{3, 4, {.activation = act}}, {3, 3, 5, 6});
    add("PostActBlock " + act + " stride", nn::PostActBlock{4, 6, {.stride = 2, .activation = act}}, {3, 4, 5, 6});
  }
  return all;
}

}  // namespace

TEST_CASE("the layers of nn, their gradients and the names of their state are PyTorch's, to ten digits") {
  std::map<std::string, Case> all = cases();
  CHECK(rows.size() == all.size());
  for (const ModuleRow& row : rows) {
    CAPTURE(row.name);
    REQUIRE(all.count(row.name) == 1);
    Case& c = all.at(row.name);
    check_module(row, *c.module, c.shape);
  }
}

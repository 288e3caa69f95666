// Takes Gaussian noise out of photographs (PNG files) with a small DnCNN that is trained on the spot.
//
//   denoise_image --image photo.png                             trains on its left half, reports on its right half
//   denoise_image --image photo.png --train a.png b.png         trains on a.png and b.png, reports on photo.png
//   denoise_image --train a.png --noisy grainy.png --output clean.png   trains, then cleans a picture that is noisy already
//
// What it is tested on is never trained on. Noise of the deviation --sigma (of 255) is added to the clean pictures; for a picture that is
// noisy already, give the deviation of its noise. No picture comes with the program: it needs at least one clean PNG.
//
// What you should see: PSNR in decibels (ten more: a tenth of the mean squared error) of the noisy picture, of the best that a Gaussian
// blur can do, and of the network's; and noisy.png, blurred.png, denoised.png in the folder of the run.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/gradus.hpp>
#include <gradus/models/denoiser.hpp>

#include "training/training.hpp"

using namespace gradus;

namespace {

struct Settings {
  std::string image, noisy, output;
  std::vector<std::string> train;
  double sigma = 25;
  bool grey = false;
  Index patch = 40, patches = 800, width = 32, depth = 5;
};

// Pictures are (channels, height, width) in [0, 1].
struct Pictures {
  std::vector<Tensor> train;
  Tensor test, noisy;  // undefined where there is none
  std::string protocol;
};

void check_options(const Settings& settings) {
  if (settings.image.empty() && settings.train.empty())
    fail("--image", "a clean picture is needed, as a PNG file: --image FILE to train on one half and test on the other, or --train FILE...");
  if (settings.image.empty() && settings.noisy.empty()) fail("--image", "there is nothing to denoise; give --image FILE (clean) or --noisy FILE");
  if (!settings.output.empty() && settings.noisy.empty()) fail("--output", "it is for what becomes of --noisy FILE, which is not given");
  if (!(settings.sigma > 0 && settings.sigma <= 255)) fail("--sigma", fmt::format("{}; the deviation of the noise is above 0 and at most 255", settings.sigma));
  if (settings.patch < 1 || settings.patches < 1) fail("--patch", fmt::format("{} patches of {} pixels a side; both must be at least 1", settings.patches, settings.patch));
  (void)models::denoiser(1, {.width = settings.width, .depth = settings.depth});
}

void check_size(const std::string& name, const Tensor& picture, Index patch) {
  if (picture.size(1) < patch || picture.size(2) < patch)
    fail("--patch", fmt::format("{} has {} x {} pixels to cut from; patches of {} x {} do not fit", name, picture.size(2), picture.size(1), patch, patch));
}

bool equal(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && to_vector<float>(a) == to_vector<float>(b); }

Pictures load(const Settings& settings) {
  check_options(settings);
  // All pictures get the channels of the first one.
  data::PngOptions read{.channels = settings.grey ? 1 : 0};
  const auto picture = [&](const std::string& path) {
    const Tensor x = data::read_png(path, read);
    read.channels = x.size(0);
    return x;
  };
  Pictures pictures;
  if (!settings.image.empty()) pictures.test = picture(settings.image);
  for (const std::string& path : settings.train) {
    pictures.train.push_back(picture(path));
    check_size(path, pictures.train.back(), settings.patch);
    if (pictures.test.defined() && equal(pictures.train.back(), pictures.test))
      fail("--train", fmt::format("{} is the picture of --image, which is for the test alone; without --train, it is cut in two halves", path));
  }
  if (settings.train.empty()) {
    const Index middle = pictures.test.size(2) / 2;
    pictures.train = {pictures.test.slice(2, 0, middle)};
    pictures.test = pictures.test.slice(2, middle, pictures.test.size(2));
    check_size("the left half of " + settings.image, pictures.train[0], settings.patch);
    pictures.protocol = fmt::format("Trained on the left half of {}, tested on the right half.", settings.image);
  } else if (pictures.test.defined()) {
    pictures.protocol = fmt::format("Trained on {} other pictures, tested on {}.", settings.train.size(), settings.image);
  } else {
    pictures.protocol = fmt::format("Trained on {} pictures; without --image there is nothing to measure.", settings.train.size());
  }
  if (pictures.test.defined()) check_size(settings.image, pictures.test, settings.patch);
  if (!settings.noisy.empty()) pictures.noisy = picture(settings.noisy);
  return pictures;
}

// Squares from random places of random pictures, in one of the eight positions of a square.
Tensor cut_patches(const std::vector<Tensor>& pictures, Index count, Index side, Generator generator) {
  const Index channels = pictures[0].size(0);
  Tensor patches = zeros({count, channels, side, side});
  const Tensor which = randint(0, Index(pictures.size()), {count}, {.generator = &generator});
  const Tensor place = rand({count, 2}, {.dtype = float64, .generator = &generator});
  const Tensor position = randint(0, 8, {count}, {.generator = &generator});
  float* to = patches.data<float>();
  for (Index n = 0; n < count; ++n) {
    const Tensor& from = pictures[std::size_t(which.data<std::int64_t>()[n])];
    const Index height = from.size(1), width = from.size(2), turn = position.data<std::int64_t>()[n];
    const auto top = Index(place.data<double>()[2 * n] * double(height - side + 1));
    const auto left = Index(place.data<double>()[2 * n + 1] * double(width - side + 1));
    for (Index c = 0; c < channels; ++c)
      for (Index i = 0; i < side; ++i)
        for (Index j = 0; j < side; ++j) {
          Index row = (turn & 1) != 0 ? j : i, column = (turn & 1) != 0 ? i : j;
          if ((turn & 2) != 0) row = side - 1 - row;
          if ((turn & 4) != 0) column = side - 1 - column;
          *to++ = from.data<float>()[(c * height + top + row) * width + left + column];
        }
  }
  return patches;
}

// The picture as squares side by side, at most `most`; what is left over at the edges is left out.
Tensor cut_tiles(const Tensor& picture, Index side, Index most) {
  std::vector<Tensor> tiles;
  for (Index top = 0; top + side <= picture.size(1); top += side)
    for (Index left = 0; left + side <= picture.size(2) && Index(tiles.size()) < most; left += side)
      tiles.push_back(picture.slice(1, top, top + side).slice(2, left, left + side));
  return stack(tiles);
}

Tensor add_noise(const Tensor& clean, double deviation, Generator& generator) {
  return clean + normal(clean.shape(), 0, deviation, {.generator = &generator});
}

double psnr(const Tensor& picture, const Tensor& clean) {
  const NoGrad no_grad;
  return -10 * std::log10(mean(square(picture - clean)).item());
}

// The network's picture: the mean of what it makes of the picture and of its mirror image. Strip by strip, so that large pictures need
// little memory; a strip is seen with as many rows around it as the network can see.
Tensor denoise(nn::Module& net, const Tensor& noisy, Index sight) {
  constexpr Index rows = 128;
  const NoGrad no_grad;
  std::vector<Tensor> strips;
  for (Index top = 0; top < noisy.size(1); top += rows) {
    const Index first = std::max<Index>(0, top - sight), bottom = std::min(top + rows, noisy.size(1));
    const Tensor strip = noisy.slice(1, first, std::min(bottom + sight, noisy.size(1)));
    const Tensor both = train::predict(net, stack({strip, flip(strip, {2})}));
    strips.push_back((0.5 * (both[0] + flip(both[1], {2}))).slice(1, top - first, bottom - first));
  }
  return cat(strips, 1).clamp(0, 1);
}

// Blurs along the last axis, by a Gaussian of the given width (its standard deviation in pixels) that is cut off at the edges.
Tensor blur_rows(const Tensor& x, double width) {
  const Index length = x.size(-1), reach = Index(std::ceil(3 * width));
  Tensor out = zeros_like(x);
  std::vector<double> weight(std::size_t(reach + 1));
  for (Index k = 0; k <= reach; ++k) weight[std::size_t(k)] = std::exp(-0.5 * double(k * k) / (width * width));
  for (Index row = 0; row < x.numel() / length; ++row) {
    const float* from = x.data<float>() + row * length;
    for (Index j = 0; j < length; ++j) {
      double sum = 0, weights = 0;
      for (Index k = std::max(-reach, -j); k <= std::min(reach, length - 1 - j); ++k) {
        sum += weight[std::size_t(std::abs(k))] * from[j + k];
        weights += weight[std::size_t(std::abs(k))];
      }
      out.data<float>()[row * length + j] = float(sum / weights);
    }
  }
  return out;
}

Tensor blur(const Tensor& x, double width) { return blur_rows(blur_rows(x, width).transpose(1, 2), width).transpose(1, 2).clamp(0, 1); }

struct Blurred {
  Tensor picture;
  double width;
  std::vector<double> widths, psnrs;
};

// The blur that comes nearest to the clean picture itself: an advantage over the network, which never sees it.
Blurred best_blur(const Tensor& noisy, const Tensor& clean) {
  Blurred best;
  for (double width = 0.3; width < 3.05; width += 0.1) {
    const Tensor picture = blur(noisy, width);
    const double quality = psnr(picture, clean);
    if (best.psnrs.empty() || quality > *std::max_element(best.psnrs.begin(), best.psnrs.end())) best.picture = picture, best.width = width;
    best.widths.push_back(width), best.psnrs.push_back(quality);
  }
  return best;
}

// A square from the middle of each picture, as brightness.
report::Figure details(const std::vector<std::pair<std::string, Tensor>>& pictures) {
  report::Figure figure("From the middle of the test picture");
  for (const auto& [title, picture] : pictures) {
    const Index side = std::min<Index>({96, picture.size(1), picture.size(2)}), top = (picture.size(1) - side) / 2, left = (picture.size(2) - side) / 2;
    const Tensor square = picture.slice(1, top, top + side).slice(2, left, left + side).mean({.axes = {0}});
    const std::vector<float> values = to_vector<float>(square);
    figure.panel(title).heat_map({values.begin(), values.end()}, std::size_t(side), std::size_t(side), {.low = 0, .high = 1});
  }
  return figure;
}

void test(training::Run& run, nn::Module& net, const Tensor& clean, const Tensor& noisy, Index sight) {
  const Tensor denoised = denoise(net, noisy, sight);
  const Blurred blurred = best_blur(noisy, clean);
  const double before = psnr(noisy, clean), after = psnr(denoised, clean), by_blur = psnr(blurred.picture, clean);
  run.result("PSNR of the noisy picture, dB", before, 2);
  run.result("PSNR of the best Gaussian blur, dB", by_blur, 2);
  run.result("width of that blur, pixels", blurred.width, 1);
  run.result("PSNR of the network's picture, dB", after, 2);
  run.say("The noisy picture is not cut to [0, 1] before it is denoised, only in noisy.png; results are. The width of the blur is the best for this "
          "very picture; the network does not know it.");

  const std::vector<std::pair<std::string, Tensor>> pictures = {{"clean", clean}, {"noisy", noisy}, {"blurred", blurred.picture}, {"denoised", denoised}};
  for (const auto& [name, picture] : pictures) data::write_png(run.folder().path(name + ".png").string(), picture);
  report::Figure quality("How near to the clean picture");
  quality.panel().x_label("width of the blur, pixels").y_label("PSNR, dB").line("Gaussian blur", blurred.widths, blurred.psnrs)
      .horizontal(after, "network").horizontal(before, "noisy");
  run.figure("psnr", std::move(quality), "Blurs of all widths, and the network.");
  run.figure("details", details(pictures), "Brightness from 0 to 1. The whole pictures are in the folder: clean.png, noisy.png, blurred.png, denoised.png.");
}

void train_and_denoise(training::Run& run, const Settings& settings, const Pictures& pictures) {
  const training::Options& options = run.options();
  const double deviation = settings.sigma / 255;
  const Index channels = pictures.train[0].size(0);
  run.say(fmt::format("{} Noise of deviation {} of 255, {} channels.", pictures.protocol, settings.sigma, channels));
  nn::Sequential net = models::denoiser(channels, {.width = settings.width, .depth = settings.depth, .activation = options.activation});
  run.text("The network", nn::summary(net, {1, channels, settings.patch, settings.patch}).text());

  // The clean patches are the targets; the loader adds new noise in every epoch.
  const Generator generator(options.seed);
  data::Dataset patches;
  patches.x = cut_patches(pictures.train, settings.patches, settings.patch, generator.split("patches"));
  patches.y = patches.x;
  data::DataLoader loader{patches,
                          {.batch_size = options.batch_size,
                           .shuffle = true,
                           .seed = options.seed,
                           .transform = [=](const Tensor& x, Generator& batch) { return add_noise(x, deviation, batch); }}};
  Tensor noisy;
  data::Dataset tiles;
  if (pictures.test.defined()) {
    Generator noise = generator.split("test noise");
    noisy = add_noise(pictures.test, deviation, noise);
    constexpr Index most = 128;
    tiles.x = cut_tiles(noisy, settings.patch, most), tiles.y = cut_tiles(pictures.test, settings.patch, most);
  }
  optim::AdamW optimizer{net.parameters(), {.lr = options.lr}};
  optim::OneCycleLR schedule{optimizer, {.max_lr = options.lr, .total_steps = options.epochs * loader.size()}};
  // Nothing is chosen by the numbers of the test picture.
  run.fit(net, optimizer, loader,
          {.validation = noisy.defined() ? &tiles : nullptr,
           .loss = [](const Tensor& output, const Tensor& target) { return nn::mse_loss(output, target); },
           .metric = psnr,
           .schedule = &schedule},
          "PSNR, dB", "test");

  if (noisy.defined()) test(run, net, pictures.test, noisy, settings.depth);
  if (pictures.noisy.defined()) {
    const std::string path = settings.output.empty() ? run.folder().path("output.png").string() : settings.output;
    data::write_png(path, denoise(net, pictures.noisy, settings.depth));
    run.say(fmt::format("{} became {}.", settings.noisy, path));
  }
}

}  // namespace

int main(int argc, char** argv) {
  training::Program program("denoise_image", "Takes Gaussian noise out of photographs in PNG files. At least one clean picture is needed: --image or --train.",
                            {.activation = "relu", .epochs = 15, .batch_size = 16, .lr = 2e-3});
  Settings settings;
  program.app().add_option("--image", settings.image, "a clean picture to test on; its left half is trained on if there is no --train");
  program.app().add_option("--train", settings.train, "clean pictures to train on, other ones than --image");
  program.app().add_option("--noisy", settings.noisy, "a picture to denoise after training");
  program.app().add_option("--output", settings.output, "where that goes; default: output.png in the run's folder");
  program.app().add_option("--sigma", settings.sigma, "standard deviation of the noise, where white is 255");
  program.app().add_flag("--grey", settings.grey, "treat all pictures as grey ones");
  program.app().add_option("--patch", settings.patch, "side of the squares that are trained on, in pixels");
  program.app().add_option("--patches", settings.patches, "how many of them");
  program.app().add_option("--width", settings.width, "channels of the network");
  program.app().add_option("--depth", settings.depth, "convolutions of the network");
  Pictures pictures;
  return program.main(
      argc, argv, [&](training::Run& run) { train_and_denoise(run, settings, pictures); },
      [&] {
        if (program.options().quick) settings.patches = std::min<Index>(settings.patches, 64), settings.width = std::min<Index>(settings.width, 8);
        pictures = load(settings);
      });
}

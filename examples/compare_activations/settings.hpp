#pragma once
// What a comparison is asked to do: the command line, checked.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gradus/core/shape.hpp>

namespace study {

struct Settings {
  std::string data = "digits";              // digits, mnist, fashion_mnist, cifar10, or a CSV file
  std::filesystem::path root;               // where the data set lies
  std::string target;                       // CSV: the column with the class; default: the last one
  std::vector<std::string> models = {"mlp", "cnn"};
  std::vector<std::string> activations = {"relu", "elu", "gelu"};
  int seeds = 5;
  int epochs = 30;
  gradus::Index batch_size = 32;
  std::string optimizer = "adamw";
  std::optional<double> lr;                 // none: chosen for each activation on the validation part
  std::string schedule = "cosine";
  std::string init = "preserving";
  double weight_decay = 0.01;
  std::vector<gradus::Index> hidden = {128, 128};
  int threads = 0;                          // 0: as many as there are cores
  std::filesystem::path out = "results/compare";
  bool quick = false;

  bool is_csv() const { return data.ends_with(".csv") || data.ends_with(".data") || data.ends_with(".txt"); }
  // The learning rates that a sweep tries: factors of about 3, around what is usual for the optimiser.
  std::vector<double> lr_grid() const;
  // Everything that the numbers depend on, as text: two runs with equal text continue each other.
  std::string fingerprint() const;
};

// Reads the command line. Prints help and ends the program when asked to; throws gradus::Error for what makes no sense.
Settings parse(int argc, char** argv);

}  // namespace study

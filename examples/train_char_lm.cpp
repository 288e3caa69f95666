// Trains a small Transformer to continue a text, character by character.
//
//   train_char_lm --text FILE                                  any text; a million characters are a good size
//   train_char_lm --text FILE --feed-forward swiglu --steps 5000
//   train_char_lm --text FILE --prompt "ROMEO:" --temperature 0.7
//
// Once it is trained, the same command with another prompt or temperature only writes. The last tenth of the text is never trained
// on; its loss, in nats per character, is what counts. A model that knew nothing would have the logarithm of the number of
// characters; one that knew how often each occurs, about 3.3 for English.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include <fmt/format.h>

#include <gradus/data/byte_reader.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/char_transformer.hpp>

#include "training/training.hpp"

using namespace gradus;

namespace {

struct Settings {
  std::string text, feed_forward = "plain", prompt = "\n";
  Index layers = 4, width = 128, heads = 4, context = 128, sample_length = 500;
  double dropout = 0, weight_decay = 0.1, temperature = 0.8;
};

struct Text {
  data::Vocabulary vocabulary;
  Tensor train;             // tokens of the first nine tenths
  data::Dataset validation;  // windows over the rest
};

Text load(const Settings& settings, bool quick) {
  if (settings.text.empty()) fail("--text", "a text file to learn from is needed, for example the collected works of an author");
  std::string text = data::read_text("--text", settings.text, 1'000'000'000);
  if (quick) text.resize(std::min<std::size_t>(text.size(), 20'000));
  if (text.empty()) fail("--text", fmt::format("\"{}\" is empty", settings.text));
  const data::Vocabulary vocabulary(text);
  const Tensor tokens = vocabulary.encode(text);
  const Index cut = tokens.numel() * 9 / 10;
  if (settings.context < 1) fail("--context", fmt::format("{} characters; at least 1 is needed", settings.context));
  if (tokens.numel() - cut <= settings.context)
    fail("--context", fmt::format("{} characters of context are too many for a text of {}, of which the last tenth is for validation",
                                  settings.context, tokens.numel()));
  return {vocabulary, tokens.slice(0, 0, cut), data::consecutive_windows(tokens.slice(0, cut, tokens.numel()), settings.context)};
}

// The mean over all places of all windows. logits (windows, length, characters), next (windows, length).
Tensor loss_of(const Tensor& logits, const Tensor& next) {
  return nn::cross_entropy(logits.reshape({next.numel(), logits.size(-1)}), next.flatten());
}

// Weight decay is for matrices; biases and the factors of norms are left alone.
optim::AdamW optimizer_for(nn::Module& net, double lr, double weight_decay) {
  NamedTensors matrices, others;
  for (const auto& parameter : net.named_parameters()) (parameter.second.dim() >= 2 ? matrices : others).push_back(parameter);
  const optim::AdamWOptions options{.lr = lr, .betas = {0.9, 0.99}, .weight_decay = weight_decay};
  optim::AdamWOptions without = options;
  without.weight_decay = 0;
  return optim::AdamW(std::vector<optim::AdamW::Group>{{matrices, options}, {others, without}});
}

void train_and_write(training::Run& run, const Settings& settings, const Text& text) {
  const training::Options& options = run.options();
  const Index length = settings.context, characters = text.vocabulary.size();
  models::CharTransformer net({.vocabulary = characters, .context = length, .width = settings.width, .layers = settings.layers,
                               .heads = settings.heads, .feed_forward = settings.feed_forward == "plain" ? options.activation : settings.feed_forward,
                               .dropout = settings.dropout});
  Index numbers = 0;
  for (const Tensor& parameter : net.parameters()) numbers += parameter.numel();
  run.say(fmt::format("{} characters to train, {} to validate, {} different ones; a model of {} numbers; guessing costs {:.2f} nats",
                      text.train.numel(), text.validation.y.numel(), characters, numbers, std::log(double(characters))));

  optim::AdamW optimizer = optimizer_for(net, options.lr, settings.weight_decay);
  optim::WarmupCosine schedule{optimizer, {.warmup_steps = std::min<Index>(100, options.steps / 10), .total_steps = options.steps, .eta_min = options.lr / 10}};
  const Generator places = Generator(options.seed).split("windows");
  const auto batch_loss = [&](std::int64_t step) {
    Generator generator = places.split(std::uint64_t(step));
    const auto [x, y] = data::random_windows(text.train, options.batch_size, length, generator);
    return loss_of(net(x), y);
  };
  const auto share_right = [](const Tensor& logits, const Tensor& next) {
    return train::accuracy(logits.reshape({next.numel(), logits.size(-1)}), next.flatten());
  };
  const auto evaluate = [&] { return train::evaluate(net, text.validation, loss_of, share_right, 32); };
  const train::History history = run.fit_steps(net, optimizer, batch_loss,
                                               {.clip_norm = 1, .schedule = &schedule, .every = options.quick ? 10 : 250, .validation = [&] { return evaluate().loss; }});

  double seconds = 0;
  for (const train::EpochRecord& e : history.epochs) seconds += e.seconds;
  run.say(fmt::format("{:.0f} characters a second while training", double(options.steps * options.batch_size * length) / seconds));
  const train::Evaluation end = evaluate();
  run.result("validation loss, nats per character", end.loss);
  run.result("validation loss, bits per character", end.loss / std::log(2.0));
  run.result("characters of the validation part that it names first, %", 100 * end.metric, 2);
  Generator dice = Generator(options.seed).split("sample");
  const Tensor sample = models::generate(net, text.vocabulary.encode(settings.prompt), settings.sample_length, settings.temperature, &dice);
  run.text(fmt::format("What it writes at temperature {}", settings.temperature), text.vocabulary.decode(sample));
}

}  // namespace

int main(int argc, char** argv) {
  training::Program program("train_char_lm", "Trains a character Transformer on a text, and lets it write.",
                            {.activation = "gelu", .epochs = 0, .steps = 3000, .batch_size = 16, .lr = 2e-3});
  Settings settings;
  CLI::App& app = program.app();
  app.add_option("--text", settings.text, "the file to learn from");
  app.add_option("--feed-forward", settings.feed_forward, "plain, with --activation, or a gated one: glu, reglu, geglu, swiglu")
      ->check(CLI::IsMember({"plain", "glu", "reglu", "geglu", "swiglu"}));
  app.add_option("--layers", settings.layers, "blocks of attention and feed-forward network");
  app.add_option("--width", settings.width, "of the vector at each place");
  app.add_option("--heads", settings.heads, "of attention");
  app.add_option("--context", settings.context, "the characters that it sees");
  app.add_option("--dropout", settings.dropout, "the share of features left out in training");
  app.add_option("--weight-decay", settings.weight_decay, "of the matrices");
  program.not_a_setting(app.add_option("--prompt", settings.prompt, "what the sample begins with"));
  program.not_a_setting(app.add_option("--sample-length", settings.sample_length, "characters to write")->check(CLI::NonNegativeNumber));
  program.not_a_setting(app.add_option("--temperature", settings.temperature, "1: as the model says; below: likelier ones; 0: the likeliest always")
                            ->check(CLI::NonNegativeNumber));
  std::optional<Text> text;
  return program.main(
      argc, argv, [&](training::Run& run) { train_and_write(run, settings, *text); },
      [&] {
        const auto small = [&](const char* option, Index& value, Index quick) {
          if (program.options().quick && !program.given(option)) value = quick;
        };
        small("--layers", settings.layers, 1);
        small("--width", settings.width, 32);
        small("--context", settings.context, 32);
        text = load(settings, program.options().quick);
        if (text->vocabulary.encode(settings.prompt).numel() == 0) fail("--prompt", "at least one character is needed to go on from");
      });
}

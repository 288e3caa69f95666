#include "gradus/report/svg.hpp"

#include <algorithm>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/report/plot.hpp"
#include "gradus/report/text.hpp"

namespace gradus::report {
namespace {

// One piece of XML: a tag with its brackets, or the text between two.
struct Piece {
  std::string_view text;
  bool tag() const { return text.starts_with('<'); }
  bool closes() const { return text.starts_with("</"); }
  bool empty_element() const { return text.ends_with("/>"); }
  bool blank() const { return text.find_first_not_of(" \n\t\r") == std::string_view::npos; }
  bool is(std::string_view name) const {
    const std::string_view rest = text.substr(std::min<std::size_t>(text.size(), closes() ? 2 : 1));
    return tag() && rest.starts_with(name) && rest.size() > name.size() &&
           std::string_view(" \n\t/>").find(rest[name.size()]) != rest.npos;
  }
};

std::vector<Piece> pieces_of(std::string_view xml) {
  std::vector<Piece> pieces;
  for (std::size_t at = 0; at < xml.size();) {
    std::size_t end = at + 1;
    if (xml[at] == '<') {
      for (char quote = 0; end < xml.size() && (quote || xml[end] != '>'); ++end)
        if (quote ? xml[end] == quote : xml[end] == '"' || xml[end] == '\'') quote = quote ? char{0} : xml[end];
      end = std::min(end + 1, xml.size());
    } else {
      end = std::min(xml.find('<', at), xml.size());
    }
    pieces.push_back({xml.substr(at, end - at)});
    at = end;
  }
  return pieces;
}

// The value of the first attribute with this name (given with its equals sign and a space before), or nothing.
std::string_view attribute(std::string_view tag, std::string_view name) {
  const std::size_t at = tag.find(name);
  if (at == tag.npos || at + name.size() >= tag.size()) return {};
  const std::size_t begin = at + name.size() + 1, end = tag.find(tag[begin - 1], begin);
  return end == tag.npos ? std::string_view{} : tag.substr(begin, end - begin);
}

}  // namespace

std::string tidy_svg(std::string_view raw, std::string_view title) {
  const std::vector<Piece> all = pieces_of(raw);
  std::vector<Piece> kept, definitions;
  bool in_definitions = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Piece& piece = all[i];
    if (piece.is("defs")) {
      in_definitions = !piece.closes();
      if (piece.closes()) kept.push_back({"<defs/>"});
      continue;
    }
    if (in_definitions) {
      if (piece.tag() && piece.empty_element() && !attribute(piece.text, " id=").empty()) definitions.push_back(piece);
      continue;
    }
    if (piece.is("title") || piece.is("desc")) {
      while (i < all.size() && !(all[i].closes() && (all[i].is("title") || all[i].is("desc")))) ++i;
      continue;
    }
    if (piece.text.starts_with("<?") || piece.text.starts_with("<!")) continue;
    if (piece.blank()) continue;
    if (piece.closes() && piece.is("g") && !kept.empty() && kept.back().is("g") && !kept.back().closes()) {
      kept.pop_back();
      continue;
    }
    kept.push_back(piece);
  }
  // Definitions refer to earlier ones only, so one pass from the last to the first finds all that is used.
  std::vector<std::string_view> used;
  for (const Piece& piece : kept)
    if (const std::string_view target = attribute(piece.text, "xlink:href="); piece.tag() && target.starts_with('#'))
      used.push_back(target.substr(1));
  std::string needed;
  for (auto definition = definitions.rbegin(); definition != definitions.rend(); ++definition) {
    if (std::find(used.begin(), used.end(), attribute(definition->text, " id=")) == used.end()) continue;
    needed = std::string(definition->text) + "\n" + needed;
    if (const std::string_view target = attribute(definition->text, "xlink:href="); target.starts_with('#'))
      used.push_back(target.substr(1));
  }
  std::string out = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
  bool first = true;
  for (const Piece& piece : kept) {
    if (piece.text == "<defs/>") {
      if (!needed.empty()) out += "<defs>\n" + needed + "</defs>\n";
    } else if (const std::size_t bold = piece.tag() ? piece.text.find(":Bold\"") : piece.text.npos;
               bold != piece.text.npos) {
      // This terminal takes the weight for a part of the family's name.
      out += std::string(piece.text.substr(0, bold)) + "\" font-weight=\"bold\"" +
             std::string(piece.text.substr(bold + 6));
    } else if (piece.is("image")) {
      // Cells of a heat map have sharp edges.
      out += "<image style='image-rendering:pixelated' " + std::string(piece.text.substr(7));
    } else {
      out += piece.text;
    }
    if (piece.tag() && (piece.closes() || piece.empty_element()) && !out.ends_with('\n')) out += '\n';
    if (first && piece.is("svg")) {
      out += "\n<title>" + escape_html(title.empty() ? "Figure" : title) + "</title>\n";
      first = false;
    }
  }
  return out;
}

std::string inline_svg(std::string_view svg, std::string_view prefix, std::string_view alt) {
  std::string out;
  bool skipping = false;
  for (const Piece& piece : pieces_of(svg)) {
    if (piece.text.starts_with("<?") || piece.text.starts_with("<!")) continue;
    if (piece.is("title")) {
      skipping = !piece.closes();
      continue;
    }
    if (skipping) continue;
    if (piece.is("svg") && !piece.closes()) {
      const std::string_view width = attribute(piece.text, " width=");
      // On a phone the picture keeps a size at which its text can be read, and scrolls.
      out += fmt::format(
          "<svg viewBox=\"{0}\" style=\"max-width:{1}px;min-width:min({1}px,36rem)\" role=\"img\" aria-label=\"{2}\" "
          "xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">",
          attribute(piece.text, "viewBox="), width, escape_html(alt));
      continue;
    }
    if (!piece.tag()) {
      out += piece.text;
      continue;
    }
    std::string_view rest = piece.text;
    while (!rest.empty()) {
      // The next of: id=", href="#, url(#
      std::size_t best = rest.npos, skip = 0;
      for (std::string_view key : {" id=\"", " id='", "href=\"#", "href='#", "url(#"})
        if (const std::size_t found = rest.find(key); found < best) best = found, skip = key.size();
      if (best == rest.npos) break;
      out += rest.substr(0, best + skip);
      out += prefix;
      rest.remove_prefix(best + skip);
    }
    out += rest;
  }
  // The space that the prolog left
  out.erase(0, std::min(out.find('<'), out.size()));
  return out;
}

}  // namespace gradus::report

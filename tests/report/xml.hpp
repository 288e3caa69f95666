#pragma once
// Is this text well-formed XML? Elements nest, attributes are quoted and unique, no stray <, & or control character.
#include <cctype>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// Nothing when `xml` is well-formed, otherwise what is wrong and where. `void_elements` (as in HTML) need no end.
inline std::string xml_complaint(std::string_view xml, const std::set<std::string, std::less<>>& void_elements = {}) {
  std::vector<std::string> open;
  std::size_t at = 0, elements = 0;
  const auto complain = [&](const std::string& what) {
    return what + " before \"" + std::string(xml.substr(at, 60)) + "\" (byte " + std::to_string(at) + ")";
  };
  const auto bad_reference = [](std::string_view text) {
    for (std::size_t i = text.find('&'); i != text.npos; i = text.find('&', i + 1)) {
      const std::size_t end = text.find(';', i);
      if (end == text.npos || end == i + 1 || end > i + 10) return true;
      for (char c : text.substr(i + 1, end - i - 1))
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '#') return true;
    }
    return false;
  };
  for (unsigned char c : xml)
    if (c < 0x20 && c != '\n' && c != '\t' && c != '\r') return complain("a control character");
  while (at < xml.size()) {
    if (xml[at] != '<') {
      const std::size_t end = std::min(xml.find('<', at), xml.size());
      const std::string_view text = xml.substr(at, end - at);
      if (bad_reference(text)) return complain("a stray &");
      if (open.empty() && text.find_first_not_of(" \n\t\r") != text.npos)
        return complain("text outside the root element");
      at = end;
      continue;
    }
    if (xml.substr(at).starts_with("<?") || xml.substr(at).starts_with("<!")) {
      const std::size_t end = xml.find('>', at);
      if (end == xml.npos || !open.empty()) return complain("a declaration out of place");
      at = end + 1;
      continue;
    }
    std::size_t i = at + 1;
    const bool closing = i < xml.size() && xml[i] == '/';
    i += closing;
    std::string name;
    while (i < xml.size() && (std::isalnum(static_cast<unsigned char>(xml[i])) || xml[i] == ':' || xml[i] == '-'))
      name += xml[i++];
    if (name.empty()) return complain("a stray <");
    std::set<std::string> attributes;
    bool empty = false;
    for (;;) {
      const std::size_t before = i;
      while (i < xml.size() && std::isspace(static_cast<unsigned char>(xml[i]))) ++i;
      if (i >= xml.size()) return complain("an unfinished tag");
      if (xml[i] == '>') break;
      if (xml[i] == '/' && i + 1 < xml.size() && xml[i + 1] == '>') {
        empty = true, ++i;
        break;
      }
      if (before == i) return complain("attributes without a space between");
      std::string attribute;
      while (i < xml.size() && (std::isalnum(static_cast<unsigned char>(xml[i])) || xml[i] == ':' || xml[i] == '-'))
        attribute += xml[i++];
      while (i < xml.size() && xml[i] == ' ') ++i;
      if (attribute.empty() || i >= xml.size() || xml[i] != '=') return complain("a broken attribute");
      ++i;
      while (i < xml.size() && xml[i] == ' ') ++i;
      if (i >= xml.size() || (xml[i] != '"' && xml[i] != '\'')) return complain("an attribute without quotes");
      const std::size_t end = xml.find(xml[i], i + 1);
      if (end == xml.npos) return complain("an attribute that does not end");
      const std::string_view value = xml.substr(i + 1, end - i - 1);
      if (value.find('<') != value.npos || bad_reference(value)) return complain("an unescaped attribute");
      if (!attributes.insert(attribute).second) return complain("attribute " + attribute + " twice");
      i = end + 1;
    }
    if (closing) {
      if (open.empty() || open.back() != name)
        return complain("</" + name + "> closes " + (open.empty() ? "nothing" : "<" + open.back() + ">"));
      open.pop_back();
    } else if (!empty && !void_elements.contains(name)) {
      if (open.empty() && elements > 0) return complain("a second root element");
      open.push_back(name);
    }
    ++elements;
    at = i + 1;
  }
  if (!open.empty()) return "<" + open.back() + "> is never closed";
  return elements == 0 ? "nothing there" : "";
}

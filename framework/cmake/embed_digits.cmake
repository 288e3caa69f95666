# The built-in digits become part of the library: datasets/digits.txt, one line per image, is written as a C++ array.
function(gradus_embed_digits target)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/datasets/digits.txt)
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated/digits_rows.cpp)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  file(STRINGS ${source} rows REGEX "^[0-9][a-q]+$")
  list(LENGTH rows count)
  list(JOIN rows "\",\n    \"" body)
  string(LENGTH "${body}" length)
  # 65 characters per row and 8 between two rows.
  if(NOT count EQUAL 1797 OR NOT length EQUAL 131173)
    message(FATAL_ERROR "gradus: ${source} is damaged: ${count} rows and ${length} characters; "
      "1797 and 131173 are expected. Make it again with datasets/make_digits.sh")
  endif()
  set(content "// Made from datasets/digits.txt by cmake/embed_digits.cmake.
#include \"gradus/data/digits.hpp\"

namespace gradus::data::detail {

const char digits_rows[digits_count][66] = {
    \"${body}\"};

}  // namespace gradus::data::detail
")
  file(CONFIGURE OUTPUT ${generated} CONTENT "${content}" @ONLY)
  target_sources(${target} PRIVATE ${generated})
endfunction()

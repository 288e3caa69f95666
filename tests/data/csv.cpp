#include "gradus/data/csv.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;
using data::CsvOptions;
using data::Missing;
using data::Task;

namespace {

using Floats = std::vector<float>;
using Labels = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

struct File {
  Folder folder;
  data::Dataset read(const std::string& text, const CsvOptions& options = {}) const {
    return data::csv(folder.write("table.csv", text), options);
  }
  // The text of the error; checks that it names the path.
  std::string error(const std::string& text, const CsvOptions& options = {}) const {
    const std::string path = folder.write("table.csv", text);
    const std::string message = error_of([&] { (void)data::csv(path, options); });
    CHECK(has(message, path));
    return message;
  }
};

}  // namespace

TEST_CASE("a plain table") {
  const File file;
  const data::Dataset set = file.read("1,2,b\n3,4,a\n-5e-1,+.5,b\n");
  CHECK(set.x.shape() == Shape{3, 2});
  CHECK(to_vector<float>(set.x) == Floats{1, 2, 3, 4, -0.5f, 0.5f});
  CHECK(to_vector<std::int64_t>(set.y) == Labels{1, 0, 1});
  CHECK(set.class_names == Names{"a", "b"});
  CHECK(set.feature_names == Names{"column 0", "column 1"});
  CHECK(set.name == "table");
}

TEST_CASE("delimiters are found") {
  const File file;
  for (const std::string& text :
       {std::string("h,k,c\n1,2,a\n3,4,b\n"), std::string("h;k;c\n1;2;a\n3;4;b\n"),
        std::string("h\tk\tc\n1\t2\ta\n3\t4\tb\n"), std::string("h k   c\n  1 2\ta\n3 \t 4 b  \n"),
        std::string("h|k|c\n1|2|a\n3|4|b\n")}) {
    CAPTURE(text);
    const data::Dataset set = file.read(text, {.delimiter = text[1] == '|' ? '|' : char(0)});
    CHECK(to_vector<float>(set.x) == Floats{1, 2, 3, 4});
    CHECK(set.feature_names == Names{"h", "k"});
    CHECK(set.class_names == Names{"a", "b"});
  }
  // Words with blanks in a tab-separated file; a comma inside a field of a semicolon file.
  CHECK(file.read("1\tNew York\n2\tRome\n3\tRome\n").class_names == Names{"New York", "Rome"});
  CHECK(file.read("1;\"a,b\"\n2;c\n").class_names == Names{"a,b", "c"});
  CHECK(has(file.error("1\n2\n3\n"), "no column is left"));
}

TEST_CASE("headers") {
  const File file;
  CHECK(file.read("a,b\n1,x\n").feature_names == Names{"a"});
  CHECK(file.read("1,x\n2,y\n").size() == 2);
  CHECK(file.read("1,2\n3,4\n", {.header = data::Header::present}).feature_names == Names{"1"});
  CHECK(file.read("u,v\nw,x\n", {.categorical = true}).size() == 2);  // words only: nothing tells a header apart
  CHECK(has(file.error("a,b\n1,x\n", {.header = data::Header::absent}), "'a' is no number"));
  CHECK(has(file.error("a,b\n", {.header = data::Header::present}), "no rows"));
  CHECK(has(file.error(""), "no rows"));
  CHECK(has(file.error("\n\n  \n"), "no rows"));
}

TEST_CASE("quotes, ends of lines, byte order mark") {
  const File file;
  const data::Dataset set =
      file.read("\xEF\xBB\xBF\"first, one\",\"say \"\"hi\"\"\"\r\n1,\"two\nlines\"\r\n\r\n2, \"x\" ");
  CHECK(set.feature_names == Names{"first, one"});
  CHECK(set.class_names == Names{"two\nlines", "x"});
  CHECK(to_vector<float>(set.x) == Floats{1, 2});
  CHECK(has(file.error("1,\"a\n2,b\n"), "line 1 is never closed"));
  CHECK(has(file.error("1,a\n2,\"b\"c\n"), "line 2 goes on after the closing quote"));
  CHECK(has(file.error(std::string("1,a\n2,\0b\n", 9)), "line 2 holds a zero byte"));
  // Lines are counted through quoted ones.
  CHECK(has(file.error("1,\"a\nb\"\n2,c\nx,d\n"), "line 4, column 0"));
}

TEST_CASE("rows of unequal length") {
  const File file;
  const std::string text = file.error("1,2,a\n3,4,b\n\n5,6\n");
  CHECK(has(text, "line 4 has 2 fields"));
  CHECK(has(text, "line 1 has 3"));
  CHECK(has(file.error("1,2,a\n3,4,b,\n"), "line 2 has 4 fields"));
}

TEST_CASE("columns by place and by name") {
  const File file;
  const std::string text = "id,kind,width\n7,a,1\n8,b,2\n";
  const data::Dataset set = file.read(text, {.target = "kind", .ignore = {"id"}});
  CHECK(to_vector<float>(set.x) == Floats{1, 2});
  CHECK(file.read(text, {.target = 1, .ignore = {0}}).feature_names == Names{"width"});
  CHECK(file.read(text, {.target = -2}).feature_names == Names{"id", "width"});
  CHECK(has(file.error(text, {.target = "colour"}), "id, kind, width"));
  CHECK(has(file.error(text, {.target = 3}), "no column 3"));
  CHECK(has(file.error(text, {.target = -4}), "no column -4"));
  CHECK(has(file.error(text, {.ignore = {"width"}}), "target and to be ignored"));
  CHECK(has(file.error(text, {.target = 1, .ignore = {0, 2}}), "no column is left"));
  CHECK(has(file.error("a,a,c\n1,2,x\n", {.target = "a"}), "2 columns are called 'a'"));
}

TEST_CASE("missing values") {
  const File file;
  const std::string text = "1,2,a\n,3,b\n5,?,a\n9,4,\n";
  const std::string message = file.error(text);
  CHECK(has(message, "line 2, column 0"));
  CHECK(has(message, "missing"));
  const data::Dataset dropped = file.read(text, {.missing = Missing::drop});
  CHECK(to_vector<float>(dropped.x) == Floats{1, 2});
  const data::Dataset filled = file.read(text, {.missing = Missing::mean});
  CHECK(to_vector<float>(filled.x) ==
        Floats{1, 2, 3, 3, 5, 2.5f});  // means of 1, 5 and of 2, 3; the row without a target is gone
  CHECK(to_vector<std::int64_t>(filled.y) == Labels{0, 1, 0});
  CHECK(file.read("1,n/a,a\n2,3,b\n", {.missing = Missing::drop, .missing_marks = {"n/a"}}).size() == 1);
  CHECK(has(file.error("?,a\n?,b\n", {.header = data::Header::absent, .missing = Missing::mean}), "no value at all"));
  CHECK(has(file.error("?,a\n?,b\n", {.header = data::Header::absent, .missing = Missing::drop}), "none is left"));
  // An ignored column may miss what it likes.
  CHECK(file.read("1,,a\n2,,b\n", {.ignore = {1}}).size() == 2);
}

TEST_CASE("words among the features") {
  const File file;
  const std::string text = "size,colour,y\n1,red,0\n2,blue,1\n3,red,1\n";
  CHECK(has(file.error(text), "line 2, column 1 ('colour'): 'red' is no number"));
  const data::Dataset set = file.read(text, {.categorical = true});
  CHECK(set.feature_names == Names{"size", "colour=blue", "colour=red"});
  CHECK(to_vector<float>(set.x) == Floats{1, 0, 1, 2, 1, 0, 3, 0, 1});
  CHECK(has(file.error("2,b\n1.5x,a\n"), "'1.5x' is no number"));
  CHECK(has(file.error("2,b\n0x10,a\n"), "'0x10' is no number"));
  CHECK(has(file.error("1e39,a\n2,b\n"), "not finite in float32"));
  CHECK(has(file.error("1e999,a\n2,b\n"), "not finite in float32"));
  CHECK(has(file.error("inf,a\n2,b\n"), "not finite in float32"));
  CHECK(has(file.error("nan,a\n2,b\n", {.missing_marks = {}}), "not finite in float32"));
  std::string many;
  for (int i = 0; i < 1500; ++i) many += "w" + std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  CHECK(has(file.error(many, {.categorical = true}), "more than 1000 different values"));
}

TEST_CASE("labels and measurements") {
  const File file;
  // Numbers in numeric order; 2 and 2.0 are one label.
  const data::Dataset set = file.read("0,10\n0,2\n0,2.0\n0,-1\n");
  CHECK(set.class_names == Names{"-1", "2", "10"});
  CHECK(to_vector<std::int64_t>(set.y) == Labels{2, 1, 1, 0});
  CHECK(has(file.error("0,1\n0,2.5\n"), "label 2.5 is no class"));
  std::string values, words;
  for (int i = 0; i < 100; ++i) {
    values += "1," + std::to_string(i % 50) + "\n";
    words += "1,name" + std::to_string(i) + "\n";
  }
  CHECK(has(file.error(values), "50 different labels in 100 rows"));
  CHECK(has(file.error(words), "100 different labels"));
  CHECK(file.read(values, {.max_classes = 50}).num_classes() == 50);
  CHECK(has(file.error("0,1\n0,2\n0,3\n", {.max_classes = 2}), "3 different labels"));
  const data::Dataset regression = file.read("0,1.5\n0,2\n", {.task = Task::regression});
  CHECK(regression.y.shape() == Shape{2, 1});
  CHECK(to_vector<float>(regression.y) == Floats{1.5f, 2});
  CHECK(regression.class_names.empty());
  CHECK(has(file.error("0,1.5\n0,a\n", {.task = Task::regression}), "target 'a' is no number"));
}

TEST_CASE("packed tables, no table, odd delimiters") {
  const File file;
  CHECK(data::csv(file.folder.write("t.csv.gz", gzip("1,a\n2,b\n"))).size() == 2);
  CHECK(has(error_of([&] { (void)data::csv(file.folder / "none.csv"); }), "no such file"));
  CHECK(has(error_of([&] { (void)data::csv(file.folder.path()); }), "folder"));
  CHECK(has(file.error("1,a\n", {.delimiter = '"'}), "no delimiter"));
}

TEST_CASE("a changed byte never does worse than an error") {
  const File file;
  const std::string text = "a,b,\"c\"\n1,2,\"x\"\n3,,y\n5,6,\"x\"\n";
  std::mt19937 random(3);
  int refused = 0;
  for (int trial = 0; trial < 500; ++trial) {
    std::string bytes = text;
    for (unsigned flips = random() % 3 + 1; flips > 0; --flips)
      bytes[random() % bytes.size()] ^= char(1 << random() % 8);
    if (trial % 3 == 0) bytes.resize(random() % bytes.size());
    try {
      const data::Dataset set = file.read(bytes, {.missing = Missing::mean, .categorical = trial % 2 == 0});
      CHECK(set.size() > 0);
      for (const float value : to_vector<float>(set.x)) CHECK(std::isfinite(value));
    } catch (const Error& error) {
      CHECK(has(error.what(), "table.csv"));
      ++refused;
    }
  }
  CHECK(refused > 50);
  CHECK(refused < 500);
}

TEST_CASE("real tables") {
  const std::string root = real_data("tabular");
  if (root.empty()) return;
  const data::Dataset iris = data::csv(root + "/iris.csv");
  CHECK(iris.x.shape() == Shape{150, 4});
  CHECK(iris.class_names == Names{"Iris-setosa", "Iris-versicolor", "Iris-virginica"});
  CHECK(iris.class_counts() == std::vector<Index>{50, 50, 50});
  const data::Dataset wine = data::csv(root + "/wine.csv");
  CHECK(wine.x.shape() == Shape{178, 13});
  CHECK(wine.class_names == Names{"1", "2", "3"});
  CHECK(wine.class_counts() == std::vector<Index>{59, 71, 48});
  const data::Dataset cancer = data::csv(root + "/wdbc.data", {.target = 1, .ignore = {0}});
  CHECK(cancer.x.shape() == Shape{569, 30});
  CHECK(cancer.class_names == Names{"B", "M"});
  CHECK(cancer.class_counts() == std::vector<Index>{357, 212});
  const data::Dataset quality = data::csv(root + "/winequality-red.csv");
  CHECK(quality.x.shape() == Shape{1599, 11});
  CHECK(quality.class_names == Names{"3", "4", "5", "6", "7", "8"});

  const data::Dataset diabetes = data::csv(root + "/diabetes.tab.txt", {.task = Task::regression});
  CHECK(diabetes.x.shape() == Shape{442, 10});
  CHECK(diabetes.feature_names[2] == "BMI");
  double sum = 0;
  for (const float value : to_vector<float>(diabetes.y)) sum += double(value);
  CHECK(sum / 442 == doctest::Approx(152.1335).epsilon(1e-6));
  CHECK(has(error_of([&] { (void)data::csv(root + "/diabetes.tab.txt"); }), "these are no classes"));

  const CsvOptions mpg{.target = 0, .task = Task::regression, .ignore = {-1}};
  CHECK(has(error_of([&] { (void)data::csv(root + "/auto-mpg.data", mpg); }), "line 33, column 3"));
  CsvOptions dropping = mpg, filling = mpg;
  dropping.missing = Missing::drop;
  filling.missing = Missing::mean;
  CHECK(data::csv(root + "/auto-mpg.data", dropping).x.shape() == Shape{392, 7});
  CHECK(data::csv(root + "/auto-mpg.data", filling).x.shape() == Shape{398, 7});
  CHECK(has(error_of([&] { (void)data::csv(root + "/auto-mpg.data", {.ignore = {3}}); }), "different labels"));

  const CsvOptions housing{
      .target = "median_house_value", .task = Task::regression, .missing = Missing::drop, .categorical = true};
  const data::Dataset california = data::csv(root + "/california_housing.csv", housing);
  CHECK(california.x.shape() == Shape{20433, 13});
  CHECK(california.feature_names[8] == "ocean_proximity=<1H OCEAN");
  CHECK(has(
      error_of([&] { (void)data::csv(root + "/california_housing.csv", {.target = -2, .missing = Missing::drop}); }),
      "'NEAR BAY' is no number"));
}

TEST_CASE("one column of a table, in the order of its rows") {
  const Folder folder;
  const std::string path = folder.write("series.csv", "month,value,note\nJan,3.5,a\nFeb,-1,b\nMar,2e2,\n");
  const Tensor value = data::csv_column(path, "value");
  CHECK(value.shape() == Shape{3});
  CHECK(to_vector<float>(value) == std::vector<float>{3.5F, -1, 200});
  CHECK(to_vector<float>(data::csv_column(path, Index{-2})) == to_vector<float>(value));
  CHECK(has(error_of([&] { (void)data::csv_column(path, "month"); }), "line 2, column 0 ('month'): the value 'Jan' is no number"));
  CHECK(has(error_of([&] { (void)data::csv_column(path, "year"); }), "there is no column 'year'"));
  CHECK(has(error_of([&] { (void)data::csv_column(path, Index{3}); }), "there is no column 3"));

  const std::string gaps = folder.write("gaps.csv", "1\n?\n3\n");
  CHECK(has(error_of([&] { (void)data::csv_column(gaps, Index{0}); }), "line 2"));
  CHECK(to_vector<float>(data::csv_column(gaps, Index{0}, {.missing = Missing::drop})) == std::vector<float>{1, 3});
  CHECK(has(error_of([&] { (void)data::csv_column(gaps, Index{0}, {.missing = Missing::mean}); }), "mean"));
}

#include "gradus/report/files.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "folder.hpp"
#include "gradus/core/error.hpp"
#include "gradus/report/csv_writer.hpp"

using namespace gradus;
using namespace gradus::report;

TEST_CASE("a file is written whole, or not at all") {
  const Folder folder;
  const std::string path = folder / "a.txt";
  write_file_atomically(path, "one\n");
  CHECK(read_file(path) == "one\n");
  const std::string binary("two\0\n", 5);
  write_file_atomically(path, binary);
  CHECK(read_file(path) == binary);
  write_file_atomically(path, "");
  CHECK(read_file(path).empty());
  CHECK(folder.entries() == 1);  // nothing is left beside it

  const std::string missing = folder / "no/such/a.txt";
  CHECK_THROWS_WITH_AS(write_file_atomically(missing, "x"),
                       ("write_file_atomically: cannot write \"" + missing +
                        "\": No such file or directory; hint: does its folder exist?")
                           .c_str(),
                       Error);
  std::filesystem::create_directory(folder / "d");
  CHECK_THROWS_WITH_AS(
      write_file_atomically(folder / "d", "x"),
      ("write_file_atomically: cannot write \"" + (folder / "d") + "\": Is a directory; hint: a folder has this name")
          .c_str(),
      Error);
  CHECK_THROWS_WITH_AS(write_file_atomically("", "x"), "write_file_atomically: the path is empty", Error);
  CHECK_THROWS_AS(read_file(folder / "none"), Error);
  CHECK_THROWS_AS(read_file(folder / "d"), Error);
}

TEST_CASE("a symbolic link stays one") {
  const Folder folder;
  write_file_atomically(folder / "target", "old");
  std::filesystem::create_symlink(folder / "target", folder / "link");
  write_file_atomically(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_file(folder / "target") == "new");
}

TEST_CASE("a full disk is told, and a device stays a device") {
  if (!std::filesystem::exists("/dev/full")) {
    MESSAGE("skipped: this system has no /dev/full");
    return;
  }
  CHECK_THROWS_WITH_AS(write_file_atomically("/dev/full", "x"),
                       "write_file_atomically: cannot write \"/dev/full\": No space left on device", Error);
  CHECK(std::filesystem::is_character_file("/dev/full"));
  CHECK_THROWS_WITH_AS(CsvWriter("/dev/full", {"a"}), "CsvWriter: cannot write \"/dev/full\": No space left on device",
                       Error);
}

TEST_CASE("folders") {
  const Folder folder;
  create_folder(folder / "a/b/c");
  create_folder(folder / "a/b/c");
  CHECK(std::filesystem::is_directory(folder / "a/b/c"));
  write_file_atomically(folder / "file", "");
  CHECK_THROWS_AS(create_folder(folder / "file"), Error);
  CHECK_THROWS_AS(create_folder(folder / "file/below"), Error);
}

TEST_CASE("rows reach the CSV file at once") {
  const Folder folder;
  const std::string path = folder / "r.csv";
  CsvWriter csv(path, {"epoch", "loss", "note"});
  CHECK(read_file(path) == "epoch,loss,note\n");
  csv.row({1, 0.5, "a,b"});
  CHECK(read_file(path) == "epoch,loss,note\n1,0.5,\"a,b\"\n");
  CHECK(csv.rows() == 1);
  CHECK_THROWS_WITH_AS(csv.row({1, 2}),
                       ("CsvWriter::row: got 2 fields, but \"" + path + "\" has 3 columns: epoch,loss,note").c_str(),
                       Error);
  CHECK(read_file(path) == "epoch,loss,note\n1,0.5,\"a,b\"\n");
  CHECK_THROWS_AS(CsvWriter(folder / "no/r.csv", {"a"}), Error);
  CHECK_THROWS_AS(CsvWriter(path, {}), Error);
}

TEST_CASE("a run that was killed goes on where its file ends") {
  const Folder folder;
  const std::string path = folder / "r.csv";
  const std::vector<std::string> header{"epoch", "text"};
  {
    CsvWriter csv = CsvWriter::resume(path, header);  // no file yet
    csv.row({1, "two\nlines"});
    csv.row({2, "x"});
  }
  std::ofstream(path, std::ios::app) << "3,\"cut sho";
  {
    CsvWriter csv = CsvWriter::resume(path, header);
    CHECK(csv.rows() == 2);
    csv.row({3, "y"});
  }
  CHECK(read_file(path) == "epoch,text\n1,\"two\nlines\"\n2,x\n3,y\n");
  {
    CsvWriter csv = CsvWriter::resume(path, header, 1);
    CHECK(csv.rows() == 1);
    csv.row({2, "again"});
  }
  CHECK(read_file(path) == "epoch,text\n1,\"two\nlines\"\n2,again\n");
  const std::string before = read_file(path);
  CHECK_THROWS_WITH_AS(CsvWriter::resume(path, {"epoch", "loss"}),
                       ("CsvWriter::resume: \"" + path +
                        "\" has other columns.\n  in the file  epoch,text\n  expected     epoch,loss\n"
                        "  hint         another run's file? choose a new folder")
                           .c_str(),
                       Error);
  CHECK(read_file(path) == before);
  std::ofstream(path, std::ios::app) << "1,2,3\n";
  CHECK_THROWS_WITH_AS(CsvWriter::resume(path, header),
                       ("CsvWriter::resume: record 3 of \"" + path + "\" has 3 fields, the header has 2").c_str(),
                       Error);
}

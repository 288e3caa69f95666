# Two commands do everything on a fresh Debian or Ubuntu machine; the rest is CMake (see CMakePresets.json).
#
#   make compare            build, then train the comparison and write results/compare/report.html
#   make compare ARGS="--data mnist --root DIR --model cnn"
#   make test               build, then run all tests
BUILD := build/release
JOBS ?= $(shell nproc)

.PHONY: compare test build configure packages install asan format clean

compare: build
	$(BUILD)/examples/compare_activations $(ARGS)

test: build
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS) -LE slow

build: configure
	cmake --build $(BUILD) -j $(JOBS)

configure: packages
	@test -f $(BUILD)/build.ninja || cmake --preset release

packages:
	@.ci/install-packages

install: build
	cmake --install $(BUILD) --prefix $(or $(PREFIX),/usr/local)

asan: packages
	cmake --preset asan
	cmake --build build/asan -j $(JOBS)
	ctest --preset asan -j $(JOBS) -LE slow

format:
	git ls-files '*.cpp' '*.hpp' | xargs clang-format -i

clean:
	rm -rf build

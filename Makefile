# Two commands do everything on a fresh Debian or Ubuntu machine; the rest is CMake (see CMakePresets.json).
#
#   make compare            build, then train the comparison and write results/compare/report.html
#   make compare ARGS="--data mnist --root DIR --model cnn"
#   make test               build, then run all tests
#   make labs               build, then run all labs; results/labs/index.html has all verdicts and figures
#   make check LAB=signal_moments EXERCISE=1     tells whether an exercise of a lab is solved
BUILD := build/release
JOBS ?= $(shell nproc)
# The folder of the data sets, for labs.
DATA ?= $(GRADUS_DATASETS)

.PHONY: compare test labs check build configure packages install asan format clean

compare: build
	$(BUILD)/examples/compare_activations $(ARGS)

test: build
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS) -LE slow

# Every lab runs, whatever came of the others; the index is made of what they wrote.
labs: build
	@failed=""; for lab in $(patsubst examples/labs/%.cpp,%,$(wildcard examples/labs/*.cpp)); do \
	  $(BUILD)/examples/lab_$$lab --data "$(DATA)" || failed="$$failed $$lab"; done; \
	$(BUILD)/examples/labs_index --results results/labs --docs docs/labs && \
	if [ -n "$$failed" ]; then echo "not confirmed:$$failed"; exit 1; fi

check: configure
	@test -n "$(LAB)" || { echo "usage: make check LAB=signal_moments EXERCISE=1"; exit 2; }
	@cmake --build $(BUILD) -j $(JOBS) --target exercise_$(LAB) >$(BUILD)/check.log 2>&1 || { grep -E "error|unknown target" $(BUILD)/check.log; exit 1; }
	@$(BUILD)/examples/exercise_$(LAB) $(EXERCISE)

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

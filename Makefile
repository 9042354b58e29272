# A thin front to Meson: every target is one line of what it does. Settings: BUILD (default build/release).
.DEFAULT_GOAL := all
BUILD ?= build/release
MESON_FLAGS ?=

.PHONY: all deps demo check bench fuzz install deb clean

all: $(BUILD)/build.ninja ## Build build/fairlead (optimised).
	ninja -C $(BUILD)
	ln -sf $(patsubst build/%,%,$(BUILD))/src/cmd/fairlead build/fairlead

$(BUILD)/build.ninja:
	meson setup $(BUILD) --buildtype=release -Doptimization=2 $(MESON_FLAGS)

deps: ## Install the packages that build and tests need, and fetch the public test suites and clients.
	tools/install-deps all

demo: ## Install what is missing, build, and show a Service in front of pods that come and go (root).
	tools/install-deps demo
	$(MAKE) all
	demo/run

check: ## Install what the tests need and run every test (root).
	tools/install-deps all
	tools/run-checks

bench: all ## Print the tables of measurements.
	bench/run

fuzz: ## Fuzz every target for a minute each.
	tools/fuzz all 60

install: all ## Install the program, the kube-proxy name and the systemd units below DESTDIR.
	meson install -C $(BUILD) $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

clean: ## Remove everything that was built.
	rm -rf build

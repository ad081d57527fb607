# What a developer types. CI runs .ci/run, which needs no make.
.PHONY: test quick lint e2e ci image release-check fuzz mutants supply-chain bench bench-goals bench-herd bench-herd-virtual bench-airflow bench-outputs bench-soak bench-refresh bench-rotation bench-instructions bench-programs site install dist

test:
	cargo test --workspace

# Tests that need an environment of Python packages (tests/docs.rs holds this line to the sources), and those that take minutes.
WITH_PYTHON := airflow boto formats iam migration moto shared_account snippets
SLOW := crash faults hostile errors aws canary hardening refresh

# The unit tests and the other files of tests/: no PyPI, no Airflow, under a minute once it is built.
quick:
	cargo test --workspace --lib $(patsubst tests/%.rs,--test %,$(filter-out $(patsubst %,tests/%.rs,$(WITH_PYTHON) $(SLOW)),$(wildcard tests/*.rs)))

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps
	scripts/cargo-deny check bans licenses sources

# What needs Go, or root for podman: the env file, read by what docker, compose and podman read it with; what Terraform's own
# formatter says of `iam`; the Helm snippets, rendered by Helm; the image, alone, in a Pod and in compose; every way to deploy as real
# Pods, by a kubelet that is built here once.
e2e:
	scripts/e2e-env-file
	scripts/e2e-iam
	scripts/e2e-helm
	scripts/e2e-image
	scripts/e2e-kubelet

# The image, from the Dockerfile, without a registry where there is none. Needs root for podman.
image:
	scripts/image

# Program, man pages and completions below PREFIX. PROGRAM is the built one.
PREFIX ?= /usr/local
PROGRAM ?= target/release/airflow-secrets-init
install:
	test -x $(PROGRAM) || cargo build --release --locked -p airflow-secrets-init
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/bin $(PROGRAM)
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man1 man/*.1
	install -D -m 0644 completions/airflow-secrets-init.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/airflow-secrets-init
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/zsh/site-functions completions/_airflow-secrets-init
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d completions/airflow-secrets-init.fish

# Wheels, source distribution, archives and checksums, below target/dist. Needs root, or the compilers.
dist:
	scripts/dist

# The documentation as a site with search, below target/site/html. `scripts/site serve` shows it.
site:
	scripts/site

# Before a tag: two builds with the same bytes, SBOM, checksums, the forge's workflows. Needs root and Go; a quarter of an hour.
release-check:
	scripts/release-check

ci:
	.ci/run

# Ten minutes of random search for each fuzz target, two at a time: forty minutes.
fuzz:
	scripts/fuzz all 600

# Whether the tests notice when the code is wrong. Hours; `make mutants ARGS='-f src/config/expand.rs'` is one file.
mutants:
	scripts/mutants $(ARGS)

# The dependencies: licences, bans, sources; none unused; the oldest compiler; the lowest versions.
supply-chain:
	scripts/cargo-deny check bans licenses sources
	scripts/cargo-machete
	scripts/msrv
	scripts/minimal-versions

# Ours beside the others, the goals, the costs. `make bench ARGS=--write-docs` puts the figures into docs/. The first time it
# builds the others, which takes a quarter of an hour.
bench: bench-programs
	python3 benches/bench.py $(ARGS)

# The goals alone: a minute.
bench-goals: bench-programs
	python3 benches/goals.py $(ARGS)

# Hundreds of pods at once under AWS's quotas.
bench-herd: bench-programs
	python3 benches/herd.py $(ARGS)

# Up to ten thousand pods in virtual time. `ARGS=--write-docs` puts the tables into docs/; `ARGS=--beside-real` compares with processes.
bench-herd-virtual: $(if $(findstring beside-real,$(ARGS)),bench-programs)
	cargo build --profile server --locked -p bench-virtual-herd
	python3 benches/herd_virtual.py $(ARGS)

# What a lookup costs a fresh Airflow process, stock and lazy backend. Ten minutes.
bench-airflow:
	python3 benches/first_lookup.py

# What each file costs: 1,000 connections and variables through every built-in template, and through one of 50 lines.
bench-outputs: bench-programs
	python3 benches/outputs.py $(ARGS)

# Ten thousand runs under faults, kills and a full disk, and ten thousand inside one process. A quarter of an hour.
bench-soak: bench-programs
	python3 benches/soak.py $(ARGS)

# Instructions of fixed runs against a committed table; `ARGS=--by-crate` says where they go, `ARGS=--write` writes the table.
bench-instructions:
	scripts/bench-instructions $(ARGS)

# One process that reads again ten thousand times: memory, calls, how fast it ends. Half an hour.
bench-refresh: bench-programs
	python3 benches/refresh.py $(ARGS)

# A process of Airflow that looks up while a thousand passwords rotate, and ten more by the interval alone; in three releases, a quarter of
# an hour each. `cargo test --test airflow rotated` does a hundred of each.
bench-rotation: bench-programs
	python3 tests/airflow/venv.py 2.8.1 3.3.2 3.4.0b2
	for version in 2.8.1 3.3.2 3.4.0b2; do \
	    target/airflow/$$version/bin/python tests/airflow/rotation.py --bin target/release/airflow-secrets-init --rotations 1000 --by-interval 10 || exit 1; \
	done

bench-programs:
	cargo build --release --locked -p airflow-secrets-init
	cargo build --profile server --locked -p fake-aws -p bench-relay

# What a developer types. CI runs .ci/run, which needs no make.
.PHONY: test lint ci bench bench-goals bench-herd bench-tools

test:
	cargo test --workspace

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps
	scripts/cargo-deny check bans licenses sources

ci:
	.ci/run

# Time, CPU, memory and binary size of a render against the fake AWS.
bench:
	cargo build --release --locked -p airflow-secrets-init
	cargo build --profile server --locked -p fake-aws
	python3 benches/render.py

# Is a render as fast as it is meant to be, over a network of 20 ms?
bench-goals: bench-tools
	cargo build --release --locked -p airflow-secrets-init
	python3 benches/goals.py

# Hundreds of pods at once under AWS's quotas.
bench-herd: bench-tools
	cargo build --release --locked -p airflow-secrets-init
	python3 benches/herd.py

# What the benchmarks start beside the program.
bench-tools:
	cargo build --profile server --locked -p fake-aws -p bench-relay

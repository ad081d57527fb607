# What a developer types. CI runs .ci/run, which needs no make.
.PHONY: test lint ci bench bench-airflow

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

# What a lookup costs a fresh Airflow process, stock and lazy backend. Ten minutes.
bench-airflow:
	python3 benches/first_lookup.py

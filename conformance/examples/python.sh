#!/usr/bin/env bash
# A router in Python, in whatever CI there is. Before it, once for all runs on the machine:
#   cargo install --locked --path conformance
set -euo pipefail

# `python` is what the suite stops and kills: no shell is between the two.
target='exec:.venv/bin/python -m acme_router --port {port} --data {data}'

# Write down anew what does not hold yet, when that has changed: `./python.sh known`.
if [[ ${1:-} == known ]]; then
  mpc-conformance run --profile router.toml --target "$target" --write-baseline known.json || true
  exit
fi

mpc-conformance run --profile router.toml --target "$target" --baseline known.json \
  --junit mpc-report/junit.xml --html mpc-report/report.html

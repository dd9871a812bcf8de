#!/usr/bin/env bash
# A router in a container image, whatever it is written in. Before it, once for all runs on the machine:
#   cargo install --locked --path conformance --features docker
set -euo pipefail

docker build --tag acme-router:ci .

# It has to listen on all of its container's addresses. {data} is a folder in there that is kept over
# restarts and goes with the run; what stands behind the image is what its program takes.
mpc-conformance run --profile router.toml \
  --target 'docker:acme-router:ci --listen 0.0.0.0:{port} --data {data}' \
  --junit mpc-report/junit.xml --html mpc-report/report.html

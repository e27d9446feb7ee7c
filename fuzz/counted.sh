#!/bin/sh
# The compiler with coverage counters, for cargo's RUSTC_WORKSPACE_WRAPPER: see xtask/src/fuzz.rs.
# shellcheck disable=SC2086 # several words
exec "$@" $OFFHOOK_COVERAGE

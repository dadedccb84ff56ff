#!/bin/sh
# Materializes this example in place and shows plan, lineage and result; `make demo` in the checkout calls it.
#
#     sh demo.sh [PATH TO assets]
set -eu
cd "$(dirname "$0")"
assets=${1:-$(command -v assets)}

run() {
    printf '\n$ %s\n' "$*"
    program=$1
    shift
    case $program in
        assets) "$assets" "$@" ;;
        python) "$(dirname "$assets")/python" "$@" ;;
    esac
}

run assets plan
run assets materialize
run assets plan --exit-code
run assets lineage customer_features
run assets list
run python -m clv.scoring --frequency 4 --recency 30 --age 38 --monetary 45
printf '\nthe example is in %s; try: assets why customer_clv_model\n' "$(pwd)"

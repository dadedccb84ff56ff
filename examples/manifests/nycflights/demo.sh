#!/bin/sh
# Materializes this example in place: half of the year, then the rest. Where NYCFLIGHTS_PG_URL names a PostgreSQL
# database, the same there.
#
#     sh demo.sh [PATH TO assets]
set -eu
cd "$(dirname "$0")"
assets=${1:-$(command -v assets)}

run() {
    printf '\n$ assets %s\n' "$*"
    "$assets" "$@"
}

run --var through=2013-06 materialize
run plan
run materialize
run plan --exit-code
run check flights
run query "select carrier, name, flights, mean_arr_delay from carrier_performance order by flights desc limit 5"
if [ -n "${NYCFLIGHTS_PG_URL:-}" ]; then
    run --env postgres materialize
    run --env postgres query "select carrier, name, flights, mean_arr_delay from carrier_performance order by flights desc limit 5"
fi

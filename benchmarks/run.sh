#!/bin/sh
# Runs every benchmark of a release build, in about five minutes.
#
#     benchmarks/run.sh build/release [OPTION OF compare.py]...
set -eu

if [ $# -lt 1 ] || [ ! -d "$1/benchmarks" ]; then
    echo "usage: $0 BUILD_DIRECTORY [OPTION OF compare.py]..." >&2
    exit 2
fi
net=$(cd "$(dirname "$0")" && pwd)/net
programs=$1/benchmarks
results=$1/benchmark_results
shift
mkdir -p "$results"

servers=
for server in epoll asio ramie_native ramie_patched; do
    if [ -x "$programs/${server}_echo" ]; then
        servers=$servers,$server=$programs/${server}_echo
    fi
done
servers=${servers#,}

# show FILE COMMAND...: the output goes to both, and a failure is not hidden by the pipe.
show() {
    file=$results/$1
    shift
    { "$@" || touch "$file.failed"; } | tee "$file"
    if [ -e "$file.failed" ]; then
        rm "$file.failed"
        echo "$0: failed: $*" >&2
        exit 1
    fi
}

echo "== single operations =="
show micro.txt "$programs/micro_benchmarks" --benchmark_min_time=0.1 \
    --benchmark_out="$results/micro.json" --benchmark_out_format=json

echo "== the same in Go =="
if command -v go >/dev/null; then
    show micro_go.txt go run "$net/../micro/go/operations.go"
else
    echo "go is not installed: left out"
fi

echo "== a million parked fibers =="
show parked_fibers.txt "$programs/parked_fibers"

echo "== what an echo request costs: system calls and instructions =="
show net_counts.md "$net/count.py" --connections 100 \
    --servers "$servers,asio_wait=$programs/ramie_asio_wait_echo"

echo "== echo servers side by side =="
show net.md "$net/compare.py" --servers "$servers" --json "$results/net.json" "$@"

echo "== all of this is in $results: micro.txt micro.json micro_go.txt parked_fibers.txt net_counts.md net.md net.json =="

#!/bin/sh
# Thousands of concurrent connections to the patched echo server, from a second process that checks
# every byte, with a live table.
#
#     examples/demo.sh BUILD_DIRECTORY [CONNECTIONS [SECONDS]]
#
# Exit status: not 0 when anything failed. What it started it also ends, on Ctrl-C too.
#
# shellcheck disable=SC3045  # every sh of a Linux system knows ulimit -n
set -eu

if [ $# = 0 ]; then
    echo "usage: demo.sh BUILD_DIRECTORY [CONNECTIONS [SECONDS]]" >&2
    exit 2
fi
build=$1
connections=${2:-10000}
seconds=${3:-15}

scratch=$(mktemp -d)
server=
client=
line=
most_kib=0

clean_up() {
    for pid in $client $server; do
        kill "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    rm -rf "$scratch"
}

fail() {
    echo "demo: $*" >&2
    exit 1
}

# Each of the two processes needs a descriptor for every connection, and a few for itself.
fit_file_limit() {
    limit=$(ulimit -n)
    if [ "$limit" = unlimited ] || [ "$limit" -ge $((connections + 50)) ]; then return; fi
    [ "$limit" -gt 50 ] || fail "'ulimit -n' is $limit, that is too little"
    echo "'ulimit -n' is $limit: $((limit - 50)) connections instead of $connections."
    connections=$((limit - 50))
}

start_server() {
    mkfifo "$scratch/server"
    "$build/examples/posix_echo_server" --port 0 >"$scratch/server" &
    server=$!
    read -r _ _ address <"$scratch/server" || fail "the server did not start"
    read_server
    idle_kib=$kib
}

start_client() {
    mkfifo "$scratch/figures"
    "$build/examples/stress_client" --host "${address%:*}" --port "${address##*:}" --json \
        --connections "$connections" --warmup 2 --duration "$seconds" \
        >"$scratch/figures" 2>"$scratch/complaint" &
    client=$!
}

explain() {
    cat <<END
The server, process $server, is written with the blocking calls of libc: accept, recv, send. ramie
patches them: each connection is a fiber, and all fibers share one thread. The client, process
$client, opens $connections connections, sends 64 bytes on each, waits for the answer, checks every
byte and sends the next. All of them at the same time, for $seconds seconds.

END
}

# A row for each phase, the last one redrawn as long as it lasts; on no terminal a row each second.
show_figures() {
    format='%-10s %4s %12s %11s %9s %9s %7s %11s %8s'
    # shellcheck disable=SC2059
    printf "$format\n" phase s connections requests/s 'p50 ms' 'p99 ms' errors 'server MiB' threads
    shown=
    while read -r news; do
        line=$news
        read_server
        phase=$(figure phase)
        if [ -n "$shown" ]; then
            if [ -t 1 ] && [ "$phase" = "$shown" ]; then printf '\r'; else echo; fi
        fi
        shown=$phase
        # shellcheck disable=SC2059
        printf "$format" "$phase" "$(whole seconds)" "$(figure connections)" \
            "$(figure requests_per_second)" "$(thousandths "$(whole p50_us)")" \
            "$(thousandths "$(whole p99_us)")" "$(figure errors)" \
            "$(thousandths $((kib * 1000 / 1024)))" "$threads"
    done <"$scratch/figures"
    printf '\n\n'
}

# What the line of JSON says about a name.
figure() {
    value=${line#*\""$1"\": }
    value=${value%%[,\}]*}
    value=${value#\"}
    echo "${value%\"}"
}

whole() {
    value=$(figure "$1")
    echo "${value%.*}"
}

thousandths() {
    echo "$(($1 / 1000)).$(($1 % 1000 / 100))"
}

# Resident memory and threads; a server that has died has neither.
read_server() {
    kib=0
    threads=0
    while read -r name value _; do
        case $name in
            VmRSS:) kib=$value ;;
            Threads:) threads=$value ;;
        esac
    done 2>/dev/null <"/proc/$server/status" || :
    if [ "$kib" -gt "$most_kib" ]; then most_kib=$kib; fi
}

conclude() {
    status=0
    wait "$client" || status=$?
    client=
    cat "$scratch/complaint" >&2
    [ $status = 0 ] || fail "failed, the client ended with status $status"
    per_connection=$(thousandths $(((most_kib - idle_kib) * 1000 / connections)))
    cat <<END
What it means: plain blocking code, not written for ramie, held $connections conversations at the same
time on $threads thread. $(figure requests) requests were answered in $(whole seconds) seconds, and no byte was lost or wrong.
A connection cost the server $per_connection KiB of memory, its stack included.
END
}

trap clean_up EXIT
trap 'echo; exit 130' INT
trap 'exit 143' TERM HUP
fit_file_limit
start_server
start_client
explain
show_figures
conclude

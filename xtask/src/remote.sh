# What the shell of the other machine does for `cargo xtask remote`. The bundle comes on standard input, which stays open for as
# long as somebody waits for us; results go to standard output, words to standard error. Whatever happens, nothing is left.
# Arguments: octets of the bundle, seconds, what makes a command root (may be empty), then those of the guest.
size=$1 limit=$2 root=$3
shift 3
exec 3>&1 4<&0 1>&2 </dev/null
guest= watchers=
folder=$(mktemp -d /tmp/cellblock.XXXXXX) || exit 71

# The guest with everything that it has started, and every program of the bundle, whoever started it.
doomed() {
    ps -axww -o pid=,ppid=,command= | awk -v folder="$folder/" -v guest="${guest:-0}" '
        { parent[$1] = $2 }
        index($0, folder) && !/awk/ { doomed[$1] }
        END {
            if (guest > 1) doomed[guest]
            do {
                more = 0
                for (one in parent) if (parent[one] in doomed && !(one in doomed)) { doomed[one]; more = 1 }
            } while (more)
            for (one in doomed) if (one > 1) print one
        }' | sort -n
}

# They are halted before they are killed: one that was killed while its child began would leave a child that is nobody's.
stop() {
    known=
    while found=$(doomed) && [ "$found" != "$known" ]; do
        $root kill -STOP $found
        known=$found
    done 2>/dev/null
    [ -z "$known" ] || $root kill -KILL $known 2>/dev/null
}

sweep() {
    trap '' HUP INT TERM PIPE
    trap - EXIT
    [ -z "$watchers" ] || kill $watchers 2>/dev/null
    stop
    cd /
    # Labs of work that was stopped are still up.
    [ ! -x "$folder/guest" ] || $root "$folder/guest" --sweep "$folder/tmp"
    # Whatever may still be mounted there is not ours to empty.
    $root find "$folder" -xdev -depth -delete
}
trap sweep EXIT
trap 'exit 129' HUP INT TERM PIPE

cd "$folder" && mkdir tmp && head -c "$size" <&4 | tar xf - || exit 74
$root env TMPDIR="$folder/tmp" "$folder/guest" "$@" 4<&- &
guest=$!
# Nobody waits for us any more: the other end was killed, or the connection is gone.
(
    trap 'kill $! 2>/dev/null; exit' TERM
    cat <&4 >/dev/null &
    wait $!
    stop
) &
watchers=$!
(
    trap 'kill $! 2>/dev/null; exit' TERM
    sleep "$limit" &
    wait $!
    : >"$folder/late"
    stop
) &
watchers="$watchers $!"
wait "$guest"
code=$?
guest=
[ ! -e "$folder/late" ] || code=124
tar cf - results >&3
exit "$code"

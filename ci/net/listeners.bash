# What a server listens on: several addresses, names, both families, local sockets, sockets of systemd's, a port that is shared.
need socat systemd

# Has an address of socat's echo a line.
echoes() {
    local answer
    answer=$(echo ahoy | timeout 10 socat -t 5 - "$1") && [ "$answer" = ahoy ]
}

# The port behind the last colon.
port_of() { echo "${1##*:}"; }

# Where a server listens besides: `too NAME NTH`.
too() { sed -n 's/^listening on \(.*\) too$/\1/p' "$folder/$1" | sed -n "$2p"; }

# Both families on one socket; several places; a local socket, whose file goes with the server.
serve several --listen '[::]:0' --listen 127.0.0.1:0 --listen "unix:$folder/several.sock"
port=$(port_of "$address")
for place in "TCP4:127.0.0.1:$port" "TCP6:[::1]:$port" "TCP4:$(too several 1)" "UNIX-CONNECT:$folder/several.sock"; do
    echoes "$place" || fail "no echo at $place"
done
stop "$server"
[ ! -e "$folder/several.sock" ] || fail 'the file of a local socket is left after a stop'
grep -q '^stopped clients=4 received=20 sent=20 cut=0$' "$folder/several" || fail "$(cat "$folder/several")"

# IPv4 and IPv6 with the same port are two sockets.
port=$(free_port)
serve both --listen "0.0.0.0:$port" --listen "[::]:$port"
echoes "TCP4:127.0.0.1:$port" || fail 'no echo by IPv4'
echoes "TCP6:[::1]:$port" || fail 'no echo by IPv6'
stop "$server"

# A name: each of its addresses that can be bound, with the same port.
serve name --listen localhost:0
port=$(port_of "$address")
getent ahosts localhost | awk '{ print $1 }' | sort -u | while read -r host; do
    case $host in
        *:*) echoes "TCP6:[$host]:$port" ;;
        *) echoes "TCP4:$host:$port" ;;
    esac || fail "no echo at $host, an address of localhost"
done
stop "$server"

# A socket that a killed server has left behind is replaced; one that is listened on is not, nor is a file.
serve killed --listen "unix:$folder/left.sock"
kill -KILL "$server"
wait "$server" 2> /dev/null || true
[ -S "$folder/left.sock" ] || fail 'a killed server removes nothing'
serve again --listen "unix:$folder/left.sock"
echoes "UNIX-CONNECT:$folder/left.sock" || fail 'no echo at a socket that was left behind'
code=0
"$wharf" serve --listen "unix:$folder/left.sock" 2> "$folder/taken" || code=$?
[ "$code" = 30 ] && grep -q 'another program listens there' "$folder/taken" || fail "code $code: $(cat "$folder/taken")"
echoes "UNIX-CONNECT:$folder/left.sock" || fail 'a second server has disturbed the first'
stop "$server"
echo precious > "$folder/file"
code=0
"$wharf" serve --listen "unix:$folder/file" 2> "$folder/taken" || code=$?
[ "$code" = 30 ] && [ "$(cat "$folder/file")" = precious ] || fail "code $code: $(cat "$folder/taken")"

# Servers share a port, and each gets connections; without the option the second is refused.
port=$(free_port)
serve first --listen "127.0.0.1:$port" --reuse-port
first=$server
code=0
"$wharf" serve --listen "127.0.0.1:$port" 2> "$folder/taken" || code=$?
[ "$code" = 30 ] || fail "a port was shared without asking: code $code"
serve second --listen "127.0.0.1:$port" --reuse-port
for _ in {1..40}; do echoes "TCP4:127.0.0.1:$port" || fail 'no echo at a shared port'; done
stop "$first"
stop "$server"
for name in first second; do
    ! grep -q '^stopped clients=0 ' "$folder/$name" || fail "of two servers at a port, one got no client"
done

# systemd hands sockets over, TCP and local ones: systemd-socket-activate does what a socket unit does.
port=$(free_port)
systemd-socket-activate -l "127.0.0.1:$port" -l "[::1]:$port" -l "$folder/systemd.sock" \
    "$wharf" serve --listen systemd > "$folder/activated" 2> "$folder/activated.log" &
server=$!
eventually test -S "$folder/systemd.sock"
for place in "TCP4:127.0.0.1:$port" "TCP6:[::1]:$port" "UNIX-CONNECT:$folder/systemd.sock"; do
    echoes "$place" || fail "no echo at $place, of systemd's: $(cat "$folder/activated.log")"
done
stop "$server"
grep -q '^stopped clients=3 ' "$folder/activated" || fail "$(cat "$folder/activated")"
[ -S "$folder/systemd.sock" ] || fail "systemd's socket was removed, which is not ours"

# What it can't use it refuses, and says why.
port=$(free_port)
systemd-socket-activate --datagram -l "127.0.0.1:$port" "$wharf" serve --listen systemd 2> "$folder/datagram" &
server=$!
send_datagrams() {
    echo ahoy > "/dev/udp/127.0.0.1/$port" || true
    ! kill -0 "$server"
}
eventually send_datagrams
code=0
wait "$server" || code=$?
[ "$code" = 20 ] && grep -q 'no stream socket' "$folder/datagram" || fail "code $code: $(cat "$folder/datagram")"
code=0
"$wharf" serve --listen systemd 2> "$folder/none" || code=$?
[ "$code" = 20 ] && grep -q 'LISTEN_FDS is not set' "$folder/none" || fail "code $code: $(cat "$folder/none")"

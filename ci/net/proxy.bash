# The PROXY protocol behind HAProxy: both versions, over TCP and a local socket, with its health checks.
need haproxy socat

# Starts a server that trusts the proxy: its clients' addresses are in its log.
serve trusting --listen 127.0.0.1:0 --listen "unix:$folder/trusting.sock" --log debug \
    --proxy-protocol-from 127.0.0.1 --proxy-protocol-from unix --max-clients-per-address 2
trusting=$server
trusting_at=$address
# One that trusts another proxy, and so not this one.
serve wary --listen 127.0.0.1:0 --proxy-protocol-from 192.0.2.0/24
wary=$server

v1=$(free_port) v2=$(free_port) local=$(free_port) wrong=$(free_port)
haproxy_with << CONFIGURATION
listen v1
    bind 127.0.0.1:$v1
    bind [::1]:$v1
    server s $trusting_at send-proxy check check-send-proxy inter 50ms
listen v2
    bind 127.0.0.1:$v2
    bind [::1]:$v2
    # A check that has to be answered: with the command LOCAL, since the proxy speaks for itself.
    option tcp-check
    tcp-check connect send-proxy
    tcp-check send ping
    tcp-check expect string ping
    server s $trusting_at send-proxy-v2-ssl-cn check inter 50ms
listen local
    bind 127.0.0.1:$local
    server s unix@$folder/trusting.sock send-proxy-v2 check check-send-proxy inter 50ms
listen wrong
    bind 127.0.0.1:$wrong
    server s $address send-proxy
CONFIGURATION

# A figure of HAProxy's of one backend: `figure BACKEND COLUMN`.
figure() {
    echo show stat | socat - "UNIX-CONNECT:$folder/haproxy.sock" |
        awk -F, -v backend="$1" -v column="$2" 'NR == 1 { for (i = 1; i <= NF; i++) place[$i] = i } $1 == backend && $2 == "s" { print $place[column] }'
}

# Whether as many checks as this have passed, and none has failed since.
is_checked() { [ "$(figure "$1" status)" = UP ] && [ "$(figure "$1" chkfail)" = 0 ]; }

for backend in v1 v2 local; do eventually is_checked "$backend"; done
sleep 1 # Twenty checks of each.
for backend in v1 v2 local; do
    is_checked "$backend" || fail "$backend: $(figure "$backend" check_status), $(cat "$folder/haproxy.log")"
done
# A star before it: the next check is under way.
[[ "$(figure v2 check_status)" == *L7OK ]] || fail "LOCAL was not answered: $(figure v2 check_status)"

# The client's own address is the server's, whatever the version; and every byte arrives.
from() { socat -t 5 - "$1" | cmp - "$folder/sent" || fail "other bytes came back from $1"; }
head -c 300000 /dev/urandom > "$folder/sent"
number=0
for port in "$v1" "$v2" "$local"; do
    number=$((number + 1))
    from "TCP4:127.0.0.1:$port,bind=127.0.0.9" < "$folder/sent"
    eventually grep -q "a client is gone.* peer=127.0.0.9:[0-9]* received=300000 sent=300000" "$folder/trusting.log"
    [ "$(grep -c 'peer=127.0.0.9:[0-9]* received=300000' "$folder/trusting.log")" = "$number" ] ||
        fail 'a client has not its own address'
done
for port in "$v1" "$v2"; do
    from "TCP6:[::1]:$port" < "$folder/sent"
done
eventually grep -q 'peer=\[::1\]:[0-9]* received=300000' "$folder/trusting.log"

# Clients are counted by their own addresses: the third of one is refused, and one of another is not.
hold() {
    mkfifo "$folder/hold.$2"
    socat - "TCP4:127.0.0.1:$1,bind=127.0.0.$2" < "$folder/hold.$2" > "$folder/held.$2" &
    exec {held}> "$folder/hold.$2"
    echo ahoy >&"$held"
    eventually grep -q ahoy "$folder/held.$2"
}
answers_from() { [ "$(echo ahoy | socat -t 5 - "TCP4:127.0.0.1:$v2,bind=$1" 2> /dev/null)" = ahoy ]; }
hold "$v1" 11
for number in 1 2; do
    mkfifo "$folder/same.$number"
    socat - "TCP4:127.0.0.1:$v2,bind=127.0.0.12" < "$folder/same.$number" > "$folder/same.out.$number" &
    exec {held}> "$folder/same.$number"
    echo ahoy >&"$held"
    eventually grep -q ahoy "$folder/same.out.$number"
done
! answers_from 127.0.0.12 || fail 'a third client of an address was let in'
answers_from 127.0.0.13 || fail 'a client of another address was not let in'
grep -q '127.0.0.12:[0-9]* has 2 clients, the most an address may' "$folder/trusting.log" || fail 'nothing is said of it'

# A header from who may send none, and none from who has to.
[ -z "$(echo ahoy | socat -t 5 - "TCP4:127.0.0.1:$wrong" 2> /dev/null)" ] || fail 'a header that nobody trusts was taken'
eventually grep -q 'it sent a PROXY header, and is none of the proxies that may' "$folder/wary.log"
begun=$SECONDS
timeout 20 socat -T 20 - "TCP4:$trusting_at" < <(sleep 20) > "$folder/silent" 2> /dev/null || true
took=$((SECONDS - begun))
[ ! -s "$folder/silent" ] && [ "$took" -ge 4 ] && [ "$took" -le 9 ] || fail "a proxy without a header was cut after $took s"
[ -z "$(echo GET / HTTP/1.1 | socat -t 5 - "TCP4:$trusting_at" 2> /dev/null)" ] || fail 'bytes without a header were answered'
grep -q 'there is no PROXY header in front of its bytes' "$folder/trusting.log" || fail 'nothing is said of it'

kill "$haproxy"
stop "$trusting"
stop "$wary"
! grep -q ' ERROR ' "$folder/trusting.log" "$folder/wary.log" || fail "$(grep -h ' ERROR ' "$folder"/*.log)"

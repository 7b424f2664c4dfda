# Two servers behind HAProxy, under load: each is stopped and started again in turn, ten times in all, and no request is lost. The
# balancer asks each server's --health address, and --drain-delay is longer than it takes to notice.
need haproxy curl socat

declare -A server_of
port_a=$(free_port) port_b=$(free_port) health_a=$(free_port) health_b=$(free_port) front=$(free_port)

start() {
    local port=port_$1 health=health_$1
    serve "$1" --listen "127.0.0.1:${!port}" --health "127.0.0.1:${!health}" --drain-delay 700ms --log debug
    server_of[$1]=$server
}
start a
start b
haproxy_with << CONFIGURATION
listen servers
    bind 127.0.0.1:$front
    # A server that is gone before the balancer knows it would show as a failed request.
    retries 0
    balance roundrobin
    option httpchk GET /
    server a 127.0.0.1:$port_a check port $health_a inter 50ms fall 2 rise 2
    server b 127.0.0.1:$port_b check port $health_b inter 50ms fall 2 rise 2
CONFIGURATION

status() { curl --silent --output /dev/null --max-time 5 --write-out '%{http_code}' "http://127.0.0.1:$1/$2"; }
is_up() {
    echo show stat | timeout 5 socat - "UNIX-CONNECT:$folder/haproxy.sock" | grep -q "^servers,$1,.*,UP,"
}
for name in a b; do
    health=health_$name
    eventually is_up "$name"
    [ "$(status "${!health}" health)" = 200 ] || fail "$name is not ready"
    curl --silent --fail --head "http://127.0.0.1:${!health}/" > "$folder/head" || fail 'HEAD is not answered'
done

"$wharf" bench "127.0.0.1:$front" -c 8 --per-connection 50 -d 60s --warmup 0s --json > "$folder/bench.json" 2> "$folder/bench.log" &
bench=$!
for turn in {1..10}; do
    name=$([ $((turn % 2)) = 0 ] && echo a || echo b)
    health=health_$name
    # It has its share of the load.
    eventually grep -q 'a client is gone' "$folder/$name.log"
    kill "${server_of[$name]}"
    # It goes on, and says that it is not ready.
    is_draining() { [ "$(status "${!health}" '')" = 503 ]; }
    eventually is_draining
    wait "${server_of[$name]}" || fail "$name ended with code $?"
    grep -q '^stopped .* cut=0$' "$folder/$name" || fail "$(cat "$folder/$name")"
    ! is_up "$name" || fail "the balancer has not noticed that $name was stopped"
    start "$name"
    eventually is_up "$name"
    kill -0 "$bench" || fail "the load has ended early: $(cat "$folder/bench.log")"
done
kill -INT "$bench"
code=0
wait "$bench" || code=$?
python3 - "$folder/bench.json" <<'PYTHON' || fail "code $code: $(cat "$folder/bench.log")"
import json, sys
run = json.load(open(sys.argv[1]))
failed = {name: run[name] for name in ("missing", "timed_out", "unmade", "wrong", "lost") if run[name]}
assert not failed and not run["errors"], (failed, run["errors"])
assert run["requests"] > 10_000, run["requests"]
print(f"{run['requests']} requests through ten stops, none failed")
PYTHON
[ "$code" = 0 ] || fail "bench ended with code $code: $(cat "$folder/bench.log")"
kill "$haproxy"
stop "${server_of[a]}"
stop "${server_of[b]}"

# `serve --metrics` under load: curl gets what Prometheus' own tool accepts, the figures agree with those of the load, and no line of the
# log in JSON is anything else.
need curl python3

# Of Debian's package only the tool, since a server comes with it that would start.
if ! command -v promtool > /dev/null; then
    (cd "$folder" && apt-get update > /dev/null && apt-get download prometheus > /dev/null && dpkg-deb --extract prometheus_*.deb prometheus)
    PATH="$folder/prometheus/usr/bin:$PATH"
fi

serve measured --listen 127.0.0.1:0 --metrics 127.0.0.1:0 --frames u16 --log debug --log-format json
eventually grep -q '^metrics on ' "$folder/measured"
metrics=http://$(sed -n 's/^metrics on //p' "$folder/measured")/metrics
told() { curl --silent --show-error --fail --max-time 5 "$metrics" > "$folder/told" || fail 'no metrics are told'; }

"$wharf" bench "$address" -c 32 --frames u16 -d 4s --warmup 0s --json > "$folder/bench.json" 2> "$folder/bench.log" &
bench=$!
last=0
while kill -0 "$bench" 2> /dev/null; do
    told
    promtool check metrics < "$folder/told" > "$folder/lint" 2>&1 || fail "$(cat "$folder/lint")"
    frames=$(sed -n 's/^wharf_frames_total //p' "$folder/told")
    [ "$frames" -ge "$last" ] || fail "a counter went from $last to $frames"
    last=$frames
    sleep 0.1
done
wait "$bench" || fail "bench ended with code $?: $(cat "$folder/bench.log")"
are_gone() { told && grep -qx 'wharf_clients 0' "$folder/told"; }
eventually are_gone
# More clients ask than may at the same time, and say nothing: others are answered when they are cut.
for _ in {1..80}; do
    exec {silent}<> "/dev/tcp/$(sed 's|http://\(.*\):\(.*\)/.*|\1/\2|' <<< "$metrics")"
done
is_told() { curl --silent --fail --max-time 10 "$metrics" > "$folder/told"; }
eventually is_told
stop "$server"
python3 - "$folder" << 'PYTHON' || fail "$(tail -5 "$folder/measured.log")"
import json, re, sys
folder = sys.argv[1]
told = dict(line.rsplit(" ", 1) for line in open(f"{folder}/told") if line[0] != "#")
told = {name: float(value) for name, value in told.items()}
requests = json.load(open(f"{folder}/bench.json"))["requests"]
stopped = dict(re.findall(r"(\w+)=(\d+)", open(f"{folder}/measured").read().splitlines()[-1]))
assert told["wharf_accepted_clients_total"] == int(stopped["clients"]) >= 32, told
assert told["wharf_received_bytes_total"] == int(stopped["received"]), (told, stopped)
assert told["wharf_sent_bytes_total"] == int(stopped["sent"]), (told, stopped)
assert told["wharf_frames_total"] >= requests > 1_000, (told, requests)
assert told["wharf_handler_seconds_count"] == told['wharf_handler_seconds_bucket{le="+Inf"}'] > 1_000, told
ends = sum(value for name, value in told.items() if name.startswith("wharf_ended_clients_total"))
assert ends == told["wharf_accepted_clients_total"], told
said = [json.loads(line) for line in open(f"{folder}/measured.log")]
assert all({"timestamp", "level", "message"} <= line.keys() for line in said), said
gone = [line for line in said if line["message"] == "a client is gone"]
assert len(gone) >= 32, said
print(f"{requests} requests, {len(told)} figures, {len(said)} lines of the log")
PYTHON

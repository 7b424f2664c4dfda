# Outgoing connections, to programs that nobody here wrote: a web server that comes late, is stopped and comes again behind the patient
# proxy; a bot that talks to socat; names with a dead first address.
need socat python3

cargo build --package wharf-examples --example patient_proxy --example bot
examples=${wharf%/wharf}/examples

# A file of ten million bytes, and a web server for it that is not there yet.
mkdir "$folder/web"
head -c 10000000 /dev/urandom > "$folder/web/bytes"
port=$(free_port)
web() { python3 -m http.server --directory "$folder/web" --bind 127.0.0.1 "$port" 2> /dev/null & }

mkfifo "$folder/proxy.in"
"$examples/patient_proxy" --listen 127.0.0.1:0 --target "127.0.0.1:$port" \
    < "$folder/proxy.in" > "$folder/proxy" 2> "$folder/proxy.log" &
proxy=$!
exec {hold}> "$folder/proxy.in"
eventually grep -q '^listening on ' "$folder/proxy"
at=$(sed -n 's/^listening on //p' "$folder/proxy")

for round in 1 2; do
    : > "$folder/proxy.log"
    curl --silent --fail --max-time 20 --output "$folder/got.$round" "http://$at/bytes" &
    client=$!
    # The proxy was refused, and says so; its client waits.
    eventually grep -q "can't connect to 127.0.0.1:$port; 127.0.0.1:$port: Connection refused" "$folder/proxy.log"
    web
    server=$!
    wait "$client" || fail "curl ended with code $? in round $round: $(cat "$folder/proxy.log")"
    cmp "$folder/web/bytes" "$folder/got.$round"
    kill "$server"
    wait "$server" || true
done
echo >&"$hold"
wait "$proxy" || fail 'the proxy did not end in order'
grep -q '^stopped: 4 clients, 0 cut$' "$folder/proxy" || fail "$(cat "$folder/proxy")"

# The bot, by a name: localhost may have an address of IPv6 first, where nobody listens. It comes back to each new socat.
port=$(free_port)
mkfifo "$folder/bot.in"
"$examples/bot" "localhost:$port" < "$folder/bot.in" > "$folder/bot" &
bot=$!
exec {bot_hold}> "$folder/bot.in"
eventually grep -q "can't connect to localhost:$port; .*127.0.0.1:$port: Connection refused" "$folder/bot"
for round in 1 2; do
    said=$(echo 'ann: bot, how long?' | timeout 20 socat -t 2 - "TCP4-LISTEN:$port,bind=127.0.0.1,reuseaddr")
    [ "$said" = $'bot\nfor 0 seconds' ] || fail "the bot said $said"
    [ "$(grep -c '^connected to ' "$folder/bot")" = "$round" ] || fail "$(cat "$folder/bot")"
done
# A name that there is not: the error names it, and nothing hangs.
timeout 20 "$examples/bot" no-such-name.invalid:80 < <(sleep 1) > "$folder/lost"
grep -q 'the addresses of no-such-name.invalid are not known' "$folder/lost" || fail "$(cat "$folder/lost")"
echo >&"$bot_hold"
wait "$bot" || fail 'the bot did not end in order'

# TLS, to clients that nobody here wrote: openssl s_client and s_time, curl; a reload by SIGHUP, client certificates, what is no TLS.
need openssl curl

# Who vouches for the others: `authority NAME`; one that is vouched for by it: `certify AUTHORITY NAME`.
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
authority() {
    key "$folder/$1.key"
    openssl req -x509 -new -key "$folder/$1.key" -days 2 -subj "/CN=$1" -out "$folder/$1.pem"
}
certify() {
    key "$folder/$2.key"
    openssl req -new -key "$folder/$2.key" -subj "/CN=$2" |
        openssl x509 -req -CA "$folder/$1.pem" -CAkey "$folder/$1.key" -CAcreateserial -days 2 \
            -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') -out "$folder/$2.pem" 2> "$folder/certify.log"
}
for name in old new; do authority "$name"; done
certify old server
certify old ann
use() { cp "$folder/$1.pem" "$folder/used.pem" && cp "$folder/$1.key" "$folder/used.key"; }
use server

serve tls --listen 127.0.0.1:0 --tls-cert "$folder/used.pem" --tls-key "$folder/used.key" --tls-alpn echo --tls-alpn http/1.1 \
    --tls-handshake-timeout 1s --log debug
port=${address##*:}
# A line through s_client, which has the options behind it: `line OPTION...`. What it says is in $folder/said.
line() {
    (echo ahoy && sleep 0.3) |
        timeout 10 openssl s_client -connect "$address" -servername localhost -CAfile "$folder/old.pem" -verify_return_error "$@" \
            > "$folder/said" 2>&1
}
said() { grep -q -- "$1" "$folder/said" || fail "openssl did not say \"$1\": $(cat "$folder/said")"; }

for version in 1_2 1_3; do
    line "-tls$version" -alpn echo || fail "s_client: $(cat "$folder/said")"
    said 'ahoy$'
    said '^ALPN protocol: echo$'
    said "TLSv${version/_/.}"
done
! line -alpn smtp || fail 'a protocol that is not spoken was agreed on'
said 'no application protocol'
! line -tls1_1 -cipher 'ALL@SECLEVEL=0' || fail 'TLS 1.1 is spoken'

# Much of it, to the end.
head -c 3000000 /dev/urandom > "$folder/sent"
(cat "$folder/sent" && sleep 1) |
    timeout 20 openssl s_client -connect "$address" -CAfile "$folder/old.pem" -quiet -nocommands -no_ign_eof 2> "$folder/said" > "$folder/got" || true
cmp "$folder/sent" "$folder/got" || fail "other bytes came back: $(cat "$folder/said")"

# A key update is borne, a renegotiation refused.
(echo K && sleep 0.2 && echo ahoy && sleep 0.3) |
    timeout 10 openssl s_client -connect "$address" -CAfile "$folder/old.pem" -tls1_3 > "$folder/said" 2>&1 || fail "$(cat "$folder/said")"
said 'ahoy$'
(echo ahoy && sleep 0.2 && echo R && sleep 0.3) |
    timeout 10 openssl s_client -connect "$address" -CAfile "$folder/old.pem" -tls1_2 > "$folder/said" 2>&1 || true
said 'no renegotiation'
# So are many at once, and another client is answered meanwhile.
flood=()
for _ in {1..20}; do
    (yes R | head -n 50 && sleep 0.5) |
        timeout 10 openssl s_client -connect "$address" -CAfile "$folder/old.pem" -tls1_2 > /dev/null 2>&1 &
    flood+=($!)
done
line -tls1_3 || fail "beside a flood: $(cat "$folder/said")"
said 'ahoy$'
wait "${flood[@]}" || true
line -tls1_2 || fail "after a flood: $(cat "$folder/said")"

# Sessions are taken up again, with both versions.
for version in 1_2 1_3; do
    line "-tls$version" -sess_out "$folder/session" || fail "$(cat "$folder/said")"
    line "-tls$version" -sess_in "$folder/session" || fail "$(cat "$folder/said")"
    said '^Reused, TLSv'
done
timeout 10 openssl s_time -connect "$address" -CAfile "$folder/old.pem" -new -time 1 > "$folder/said" 2>&1 || fail "$(cat "$folder/said")"
grep 'real seconds' "$folder/said"

# curl's own request comes back: no answer of HTTP, but its bytes.
curl --silent --http0.9 --cacert "$folder/old.pem" --max-time 1 "https://localhost:$port/" > "$folder/got" || true
grep -q "^Host: localhost:$port" "$folder/got" || fail "curl got $(cat "$folder/got")"

# What is no TLS, and half a handshake, are closed; the log says why.
printf 'GET / HTTP/1.1\r\n\r\n' | timeout 10 bash -c 'cat >&3; cat <&3 > /dev/null' 3<> "/dev/tcp/127.0.0.1/$port" || true
eventually grep -q 'closed: its TLS handshake failed' "$folder/tls.log"
timeout 10 bash -c 'printf "\x16\x03\x01\x02" >&3; cat <&3 > /dev/null' 3<> "/dev/tcp/127.0.0.1/$port" || true
eventually grep -q 'its TLS handshake did not come in time' "$folder/tls.log"

# SIGHUP: wrong files leave everything as it was, right ones are used from then on.
cp "$folder/old.key" "$folder/used.key"
kill -HUP "$server"
eventually grep -q 'SIGHUP: the private key in .*used.key is not that of the first certificate in .*used.pem' "$folder/tls.log"
line || fail "as before a wrong reload: $(cat "$folder/said")"
certify new server
use server
kill -HUP "$server"
eventually grep -q 'SIGHUP: the files of TLS were read again' "$folder/tls.log"
! line || fail 'the old certificate is still used'
line -CAfile "$folder/new.pem" || fail "$(cat "$folder/said")"
stop "$server"

# Only those with a certificate.
serve wary --listen 127.0.0.1:0 --tls-cert "$folder/server.pem" --tls-key "$folder/server.key" --tls-client-ca "$folder/old.pem"
line -CAfile "$folder/new.pem" -cert "$folder/ann.pem" -key "$folder/ann.key" || fail "$(cat "$folder/said")"
said 'ahoy$'
! line -CAfile "$folder/new.pem" || fail 'a client without a certificate was let in'
said 'certificate required'
stop "$server"

# A file that is wrong is named at the start.
code=0
"$wharf" serve --listen 127.0.0.1:0 --tls-cert "$folder/none.pem" --tls-key "$folder/server.key" 2> "$folder/said" || code=$?
[ "$code" = 2 ] || fail "code $code"
said 'none.pem can.t be read'

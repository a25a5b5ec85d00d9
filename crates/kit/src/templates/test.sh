#!/bin/sh
# Tests this connection kit with what most computers have: mosquitto's clients, or else openssl.
# Usage: ./test.sh [topic to publish to] [topic to subscribe to]
# Exit code: 0 everything worked, 1 something did not (it says what), 2 neither tool is installed.
# Stop the device first: two clients with the same client id throw each other out.

endpoint=@ENDPOINT@
port=@MQTT_PORT@
client_id=@CLIENT_ID@
root_ca=@ROOT_CA@
certificate=@CERTIFICATE@
private_key=@PRIVATE_KEY@
publish_topic=${1:-esp32/pub}
subscribe_topic=${2:-esp32/sub}
limit=15 # seconds for each step

cd "$(dirname "$0")" || exit 1
failed=0
say() { printf '%s\n' "$*"; }
good() { say "ok      $*"; }
bad() { say "FAILED  $*"; failed=1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command for at most $limit seconds; its words end up in $words.
limited() {
    answer=$(mktemp) || exit 1
    "$@" >"$answer" 2>&1 </dev/null &
    command=$!
    (sleep "$limit"; kill "$command") >/dev/null 2>&1 &
    watcher=$!
    wait "$command"
    code=$?
    kill "$watcher" >/dev/null 2>&1
    words=$(cat "$answer")
    rm -f "$answer"
    return "$code"
}

check_list() {
    say "        Check, in this order:"
    say "        1. Is the certificate registered and ACTIVE?   aws iot describe-certificate"
    say "        2. Is a policy attached to it?                 aws iot list-attached-policies --target <certificate ARN>"
    say "        3. Does the policy allow client id $client_id, publishing to $publish_topic, subscribing to $subscribe_topic?"
    say "        4. If the policy says \${iot:Connection.Thing.ThingName}: is the client id the thing's name, and"
    say "           the thing attached to the certificate?      aws iot list-principal-things --principal <certificate ARN>"
    say "        5. Is another client with this client id connected?"
}

say "endpoint $endpoint port $port, client id $client_id"
for file in "$root_ca" "$certificate" "$private_key"; do
    if [ ! -s "$file" ]; then
        bad "$file is missing or empty"
        exit 1
    fi
done

if have openssl; then
    limited openssl s_client -connect "$endpoint:$port" -servername "$endpoint" \
        -CAfile "$root_ca" -cert "$certificate" -key "$private_key" -verify_return_error
    case $words in
    *"Verify return code: 0 (ok)"*)
        good "TLS: the server proved itself with a certificate that $root_ca vouches for"
        ;;
    *"key values mismatch"*)
        bad "TLS: $private_key is not the key of $certificate"
        ;;
    *"ertificate unknown"* | *"certificate expired"* | *"bad certificate"*)
        bad "TLS: the server refuses this device's certificate"
        check_list
        ;;
    *"erify error"* | *"verify failed"*)
        bad "TLS: the server's certificate is not one that $root_ca vouches for; wrong root, or wrong endpoint"
        ;;
    *"Connection refused"* | *"onnect:errno"* | *"BIO_connect"* | *"BIO_lookup"* | *"getaddrinfo"* | *"not known"*)
        bad "network: nothing answers at $endpoint port $port; is the name right and the way out open?"
        say "$words" | head -n 3 | sed 's/^/        /'
        exit 1
        ;;
    *)
        bad "TLS: the handshake did not finish"
        say "$words" | tail -n 3 | sed 's/^/        /'
        ;;
    esac
fi

if have mosquitto_pub && have mosquitto_sub; then
    limited mosquitto_pub -V mqttv5 -h "$endpoint" -p "$port" -i "$client_id" -q 1 \
        --cafile "$root_ca" --cert "$certificate" --key "$private_key" \
        -t "$publish_topic" -m '{"from":"test.sh"}'
    code=$?
    case "$code $words" in
    *"ot authori"*)
        bad "MQTT: publishing to $publish_topic is not allowed"
        check_list
        ;;
    "0 "*)
        good "MQTT: the cloud acknowledged a message on $publish_topic (QoS 1)"
        ;;
    *)
        bad "MQTT: no connection, or publishing to $publish_topic is not allowed"
        [ -z "$words" ] || say "        $words"
        check_list
        ;;
    esac
    sleep 2 # AWS takes one CONNECT a second of each client id
    limited mosquitto_sub -V mqttv5 -E -h "$endpoint" -p "$port" -i "$client_id" -q 1 \
        --cafile "$root_ca" --cert "$certificate" --key "$private_key" -t "$subscribe_topic"
    code=$?
    case "$code $words" in
    *"denied"* | *"ot authori"*)
        bad "MQTT: subscribing to $subscribe_topic is not allowed"
        ;;
    "0 "*)
        good "MQTT: the cloud granted a subscription to $subscribe_topic"
        ;;
    *)
        bad "MQTT: no connection, or subscribing to $subscribe_topic is not allowed"
        [ -z "$words" ] || say "        $words"
        ;;
    esac
elif have openssl; then
    # A CONNECT of MQTT 3.1.1 by hand (clean session, keep-alive 60 s), to see whether the cloud answers with CONNACK.
    octal() { printf '\\%03o' "$1"; }
    length=${#client_id}
    remaining=$((12 + length))
    if [ "$remaining" -gt 127 ]; then
        size="$(octal $((remaining % 128 + 128)))$(octal $((remaining / 128)))"
    else
        size=$(octal "$remaining")
    fi
    say_hello() {
        printf "\\020$size\\000\\004MQTT\\004\\002\\000\\074\\000$(octal "$length")"
        printf '%s' "$client_id"
        sleep 3
        printf '\340\000' # DISCONNECT: the server closes, and openssl ends
    }
    answer=$(say_hello | openssl s_client -quiet -connect "$endpoint:$port" -servername "$endpoint" \
        -CAfile "$root_ca" -cert "$certificate" -key "$private_key" -verify_return_error 2>/dev/null |
        od -An -tx1 -N4 | tr -d ' \n')
    case $answer in
    20020000 | 20020100)
        good "MQTT: the cloud accepted the connection (CONNACK)"
        say "        Install mosquitto's clients to test publishing and subscribing, too."
        ;;
    *)
        bad "MQTT: the cloud closed the connection without accepting it"
        check_list
        ;;
    esac
else
    say "neither mosquitto_pub nor openssl is installed; install one of them (Debian: mosquitto-clients, openssl)"
    exit 2
fi

[ "$failed" -eq 0 ] && say "This kit works."
exit "$failed"

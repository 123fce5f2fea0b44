#!/bin/sh
# Chromium as the container's first process. It listens on loopback, whatever address it is told, so
# a forwarder carries port 3000 there. Arguments are Chromium's; the background services that would
# look for hosts outside are off.
set -eu
socat TCP-LISTEN:3000,fork,reuseaddr TCP:127.0.0.1:9222 &
exec /usr/lib/chromium/chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
  --disable-background-networking --disable-component-update --disable-sync \
  --user-data-dir=/tmp/profile --remote-debugging-port=9222 --remote-allow-origins='*' "$@"

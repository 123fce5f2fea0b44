#!/bin/sh
# MinIO with the given arguments (`server /data …`), unless the command is another program's.
set -eu
case "${1-}" in
minio) ;;
'' | -* | server) set -- minio "$@" ;;
esac
exec "$@"

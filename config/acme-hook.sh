#!/bin/sh
# Copies a renewed certificate and its key to where ktlsserve reads them, for a server that may not read those of the
# ACME client: a deploy hook of certbot (--deploy-hook) or lego (--renew-hook; in version 5 --deploy-hook). The server
# sees the new files by itself, waits until both fit each other, and needs no signal.
#
# TLS_DIR is where to [/etc/ktlsserve/tls], TLS_GROUP who may read the key besides root [ktlsserve-tls]. The unit in
# config/ktlsserve.service reads it with SupplementaryGroups=ktlsserve-tls.
set -eu

folder=${TLS_DIR:-/etc/ktlsserve/tls}
group=${TLS_GROUP:-ktlsserve-tls}

if [ -n "${RENEWED_LINEAGE:-}" ]; then
    certificate=$RENEWED_LINEAGE/fullchain.pem
    key=$RENEWED_LINEAGE/privkey.pem
    name=$(basename "$RENEWED_LINEAGE")
else
    certificate=${LEGO_HOOK_CERT_PATH:-${LEGO_CERT_PATH:?no ACME client called this: neither RENEWED_LINEAGE nor LEGO_CERT_PATH is set}}
    key=${LEGO_HOOK_CERT_KEY_PATH:-${LEGO_CERT_KEY_PATH:?}}
    name=$(basename "$certificate" .crt)
fi

# Each file is whole at any moment: it is written beside its place, and then renamed.
put() {
    temporary=$(mktemp "$folder/.new.XXXXXX")
    trap 'rm -f "$temporary"' EXIT
    cat "$1" >"$temporary"
    chgrp "$group" "$temporary"
    chmod "$3" "$temporary"
    mv "$temporary" "$2"
    trap - EXIT
}

put "$key" "$folder/$name.key" 640
put "$certificate" "$folder/$name.pem" 644

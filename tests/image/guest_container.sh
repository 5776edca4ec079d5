# Runs the image's file system as a container in a guest, with a kernel that has kTLS, and tells what it sees.
# Its arguments: options for the image's user and variables, then the file system and the command.
set -eu
export CONTAINERS_CONF=/run/exchange/containers.conf CONTAINERS_STORAGE_CONF=/run/exchange/storage.conf

say() {
    printf '== %s\n' "$1"
}

# What is written to the file system before it is read-only (mount points) goes to an overlay.
podman run --detach --name=server --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges \
    --env=KTLSSERVE_LISTEN=127.0.0.1:8443 --env=KTLSSERVE_TLS=kernel --env=KTLSSERVE_WORKERS=1 \
    "$@" >/dev/null
until podman logs server 2>&1 | grep -q '^listening on '; do
    # Status 3 is a kernel that can't encrypt.
    podman inspect --format='{{.State.Status}}' server | grep -q running || {
        podman logs server
        exit 1
    }
    sleep 0.2
done
say log
podman logs server 2>&1

say status
cat "/proc/$(podman inspect --format='{{.State.Pid}}' server)/status"
say mounts
cat "/proc/$(podman inspect --format='{{.State.Pid}}' server)/mounts"
say before
cat /proc/net/tls_stat
curl --silent --show-error --fail --insecure --output /tmp/fetched https://127.0.0.1:8443/style.css
say after
cat /proc/net/tls_stat
say fetched
sha256sum </tmp/fetched

podman stop --time=120 server >/dev/null
say ended
podman inspect --format='{{.State.ExitCode}}' server

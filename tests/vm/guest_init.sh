#!/bin/sh
# First program in the guest, as root. Makes a quick root, runs the command in it, leaves its status behind.
#
# virtme's own root is a 9p mount without any cache: each import of a Python module asks the host again, and programs
# start 3 to 5 times slower. So the same files are mounted once more, with a cache: nothing changes them while the
# guest lives. Only the folder for exchange with the host stays uncached, and is thus safe to read from both sides.
#
# Reads settings.sh beside it, which exchange.py writes.
set -eu
EXCHANGE=/run/exchange
ROOT=/run/host
. "$EXCHANGE/settings.sh"

if [ "${1:-}" != inside ]; then
    touch "$EXCHANGE/booted"
    umount "$ROOT"
    mount -t 9p -o ro,version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose virtme.initmount1 "$ROOT"
    # The kernel loads modules on demand from here, e.g. ciphers.
    ln -sfn "$ROOT$KERNEL_ROOT/lib/modules/$RELEASE" "/lib/modules/$RELEASE"
    # shellcheck disable=SC2086  # a list of words
    for module in $MODULES; do
        modprobe "$module"
    done
    ip link set lo up
    # A file system view of its own, so that its root can be exchanged.
    exec unshare --mount --propagation private sh "$0" inside
fi

# What the command needs below folders that are about to be covered is carried over.
number=0
for path in $KEEP; do
    number=$((number + 1))
    mkdir -p "/run/keep/$number"
    mount --bind "$ROOT$path" "/run/keep/$number"
done
for folder in proc sys dev; do
    mount --rbind "/$folder" "$ROOT/$folder"
done
mount --bind /run "$ROOT/run"
mount --bind "$EXCHANGE" "$ROOT$EXCHANGE"
for folder in tmp var/tmp; do
    mount -t tmpfs -o mode=1777 tmpfs "$ROOT/$folder"
done
number=0
for path in $KEEP; do
    number=$((number + 1))
    mkdir -p "$ROOT$path"
    mount --bind "/run/keep/$number" "$ROOT$path"
done
if [ -d "$ROOT/lib/modules" ]; then
    mount -t tmpfs tmpfs "$ROOT/lib/modules"
    ln -s "$KERNEL_ROOT/lib/modules/$RELEASE" "$ROOT/lib/modules/$RELEASE"
fi
mkdir /run/before
cd "$ROOT"
pivot_root . run/before
umount -l /run/before

mkdir -p "$HOME"
ulimit -n 65536
status=0
timeout --kill-after=10 "$LIMIT_S" sh "$EXCHANGE/command.sh" >"$EXCHANGE/output" 2>&1 </dev/null || status=$?
dmesg --level=emerg,alert,crit,err,warn >"$EXCHANGE/kernel-log" || true
echo "$status" >"$EXCHANGE/status.partial"
mv "$EXCHANGE/status.partial" "$EXCHANGE/status"

#!/bin/sh
# Installs the programs of the system that the tests use: an SSH server, strace, rclone, systemd-analyze, exiftool, age, unzip, djxl
# and chromium (Debian, Ubuntu).
# It does so as root or with a sudo that asks nobody. Elsewhere it says what is missing; tests that need it are skipped,
# unless the variable PHOTOVAULT_TESTS_NEED_ALL is set, which makes them fail.
set -eu

missing=""
needs() { # needs PROGRAM PACKAGE
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
needs sshd openssh-server
needs ssh-keygen openssh-client
needs strace strace
needs rclone rclone
needs systemd-analyze systemd
needs exiftool libimage-exiftool-perl
needs age age
needs unzip unzip
needs djxl libjxl-tools
needs chromium chromium
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    as_root="none"
fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed:$missing; the tests that need them are skipped"
    exit 0
fi

$as_root apt-get update -qq || true
for package in $missing; do # one by one: what cannot be had must not cost the others
    # shellcheck disable=SC2086 - empty, or a word or two
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
        echo "could not install $package; the tests that need it are skipped"
done

# Nobody asked for a server that listens to the world: the tests start their own, on loopback.
case "$missing" in *openssh-server*)
    [ ! -d /run/systemd/system ] || $as_root systemctl disable --quiet --now ssh.service ssh.socket 2>/dev/null || true
esac

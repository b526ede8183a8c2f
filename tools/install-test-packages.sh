#!/bin/sh
# Debian packages that the tests need: real brokers, reverse proxies, a real database, a real browser, C++ compilers and an emulator. Installed when root, else named.
set -eu
missing=""
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need mosquitto mosquitto
need mosquitto_pub mosquitto-clients
need rabbitmq-server rabbitmq-server
need nginx nginx-light
need haproxy haproxy
need ip iproute2
need chromium chromium
need g++ g++
need curl curl
need openssl openssl
need cmake cmake
need cppcheck cppcheck
need riscv64-unknown-elf-gcc gcc-riscv64-unknown-elf
need qemu-system-riscv32 qemu-system-misc
[ -d /usr/lib/picolibc/riscv64-unknown-elf ] || missing="$missing picolibc-riscv64-unknown-elf"
[ -f /usr/include/doctest/doctest.h ] || missing="$missing doctest-dev"
[ -f /usr/include/openssl/ssl.h ] || missing="$missing libssl-dev"
# Debian keeps PostgreSQL's programs out of the PATH, one folder a version.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "The tests need these Debian packages: apt-get install$missing" >&2
    exit 1
fi
echo "installing for the tests:$missing"
# The tests start their own brokers and proxies on free ports; a service that starts by itself would hold 1883 or 80.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null

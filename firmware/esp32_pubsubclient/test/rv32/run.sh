#!/bin/sh
# Builds the core for rv32imc (the ESP32-C3's instructions), says its size, and runs the self-test under QEMU: run.sh FOLDER
set -eu
folder=${1:?a folder for what is built}
here=$(cd "$(dirname "$0")" && pwd)
core=$here/../../lib/core
mkdir -p "$folder"
target="-march=rv32imc -mabi=ilp32 --specs=picolibc.specs"
for source in "$core"/*.cpp "$here/selftest.cpp"; do
    # shellcheck disable=SC2086
    riscv64-unknown-elf-gcc $target -std=c++17 -Os -ffunction-sections -fdata-sections -fno-exceptions -fno-rtti \
        -fno-threadsafe-statics -Wall -Wextra -Werror -I"$core" -c "$source" -o "$folder/$(basename "$source" .cpp).o"
done
# The C driver: this toolchain has no C++ library.
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $target --crt0=hosted --oslib=semihost -Wl,--gc-sections \
    -Wl,--defsym=__flash=0x80000000,--defsym=__flash_size=0x100000 \
    -Wl,--defsym=__ram=0x80100000,--defsym=__ram_size=0x200000,--defsym=__stack_size=0x4000 \
    "$folder"/*.o -o "$folder/selftest.elf"
mv "$folder/selftest.o" "$folder/selftest.object"
riscv64-unknown-elf-size -t "$folder"/*.o | tail -1 | awk '{print "core: " $1 " bytes of code and constants, " $2 + $3 " of its own data"}' >&2
rm "$folder"/*.o
exec qemu-system-riscv32 -M virt -bios none -nographic -semihosting-config enable=on,target=native \
    -kernel "$folder/selftest.elf" </dev/null 2>&1

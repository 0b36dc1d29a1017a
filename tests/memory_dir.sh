# A new directory on a file system in memory where there is one with room, else in the given one; to be sourced. For what is repeated there
# only to see what the calls do with memory: most of its time would go into waiting for the disk, which the other runs use.
# shellcheck shell=sh

memory_dir() { # DIRECTORY
    free=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
    if [ -w /dev/shm ] && [ "${free:-0}" -ge 262144 ]; then set -- /dev/shm; fi
    mktemp -d "$1/bitcask-tests.XXXXXX"
}

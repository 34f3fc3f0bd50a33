# The first thing that runs on a host: it brings mc there, where it is missing, and becomes its worker. Before it stand nonce, root,
# program, and hash and size of the mc that is wanted. What it says are lines `mc-WORD NONCE …`; docs/decisions/0034-ssh.md tells
# the whole exchange. It is plain POSIX sh, and only the last command of it is mc.

say() { printf '\nmc-%s %s %s\n' "$1" "$nonce" "$(printf %s "$2" | tr '\n\r\t' '   ' | cut -c 1-400)"; }
fail() {
    say fail "$1 $2"
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }
size_of() { echo $(($(wc -c <"$1"))); }
# What mc says of its version, or why it says nothing.
try() { { "$1" --version </dev/null; } 2>&1; }
# The hash of a file, among other words, by whatever there is for that. Git has its own one, which the engine tells as well.
hash_of() {
    case $hasher in
    sha256sum) sha256sum <"$1" ;;
    shasum) shasum -a 256 <"$1" ;;
    openssl) openssl dgst -sha256 <"$1" ;;
    git) GIT_DIR=/nonexistent GIT_DEFAULT_HASH=sha1 git hash-object --no-filters --stdin <"$1" ;;
    esac
}
# A path in which `~` stands for the home folder.
expand() {
    case $1 in
    '~' | '~/'*)
        [ -n "$HOME" ] || return 1
        printf %s "$HOME${1#'~'}"
        ;;
    /*) printf %s "$1" ;;
    *) return 1 ;;
    esac
}

mask=$(umask)
umask 077
whole=$(expand "$root") || fail folder "\`$root\` is no folder: it must begin with / or ~/, and for the latter HOME be set"
root=$whole
state=have
if [ -n "$program" ]; then
    whole=$(expand "$program") || fail program "\`$program\` must begin with / or ~/"
    file=$whole
    version=$(try "$file") || fail program "\`$file --version\` fails: $version"
    case $version in
    'mc '*) ;;
    *) fail program "\`$file\` is no mc: \`--version\` says $version" ;;
    esac
else
    bin=$root/bin
    file=$bin/mc-$hash
    why=$(mkdir -p "$bin" 2>&1) || fail folder "$why"
    [ -d "$bin" ] && [ ! -L "$bin" ] && [ -O "$bin" ] || fail folder "$bin is no folder of this user"
    why=$(chmod 700 "$bin" 2>&1) || fail folder "$why"
    # What lies there was whole when it got its name; after a crash of the machine it may not be. That it is used is its new date.
    { [ -f "$file" ] && [ "$(size_of "$file")" -eq "$size" ] && touch "$file" && version=$(try "$file"); } 2>/dev/null ||
        state=need version=
fi
packer=raw
has gzip && packer=gzip
hasher=none
for tool in git openssl shasum sha256sum; do has $tool && hasher=$tool; done
say facts "$state $packer $hasher $(uname -s) $(uname -m) $version"

if [ "$state" = need ]; then
    read -r how length blob && [ -n "$blob" ] || exit 1
    new=$bin/.new-$nonce
    trap 'rm -f "$new"' EXIT
    trap 'exit 1' HUP INT TERM
    # No file that is there already is written to.
    set -C
    case $how in
    gzip)
        why=$({ head -c "$length" | gzip -dc >"$new"; } 2>&1) || case $why in
        # What it could not write, and else what it could not unpack.
        *stdout* | *[Nn]o\ space* | *quota* | *denied*) fail write "$why" ;;
        *) fail damaged "$why" ;;
        esac
        ;;
    raw) why=$({ head -c "$length" >"$new"; } 2>&1) || fail write "$why" ;;
    *) exit 0 ;;
    esac
    set +C
    found=$(size_of "$new")
    [ "$found" -eq "$size" ] || fail damaged "$found bytes came of $size"
    found=$(hash_of "$new" 2>&1)
    case $found in
    *"$hash"* | *"$blob"*) ;;
    *) fail damaged "$hasher says of it: $found" ;;
    esac
    why=$(chmod 700 "$new" 2>&1) || fail write "$why"
    version=$(try "$new") || {
        # Where no program may run, a script may not either.
        printf '#!/bin/sh\n' >"$new" && { "$new" 2>/dev/null || [ $? -ne 126 ]; } ||
            fail folder "no program runs in $bin ($version): is it on a disk that is mounted with noexec?"
        fail exec "$version"
    }
    why=$(mv -f "$new" "$file" 2>&1) || fail write "$why"
    trap - EXIT HUP INT TERM
    say ready "$version"
fi

# What was left behind, and builds that nobody has started for a week and nothing runs of.
if [ -z "$program" ]; then
    find "$bin" -type f \( -name 'mc-*' -o -name '.new-*' \) -mtime +7 ! -name "mc-$hash" 2>/dev/null |
        while IFS= read -r old; do
            running=$(ls -l /proc/[0-9]*/exe 2>/dev/null)
            case $running in
            '' | *"${old##*/}"*) ;;
            *) rm -f "$old" ;;
            esac
        done
fi
umask "$mask"
cd / && exec "$file" worker --root "$root"

# Supervisor of one run, for any POSIX sh with a Linux /proc (dash, busybox and bash are tested).
#
#   sh supervisor.sh run DIR          claim DIR, run its command contained, write DIR/exit
#   sh supervisor.sh probe FLAVOUR    0 when a pid namespace of that flavour (unshare-root, unshare-user) works here
#   init, program                     inner stages, started by this file itself
#
# docs/runs.md describes the protocol, each race and the decision taken. Text in DIR/run and DIR/command is data: it is
# read and decoded, never evaluated. Groups are signalled by the builtin `kill -s NAME -- -PGID` and in no other way.
set -u

# Sets parent, session and born of process $1; fails when it is gone, or a zombie without living threads.
stat_of() {
    line=
    while IFS= read -r part || [ -n "$part" ]; do line="$line $part"; done 2>/dev/null <"/proc/$1/stat"
    line=${line##*) }
    # shellcheck disable=SC2086
    set -- $line
    [ $# -ge 20 ] || return 1
    [ "$1" != Z ] || [ "${18}" -gt 1 ] || return 1
    parent=$2 session=$4 born=${20}
}

# Whether process $1 still is the one born at $2: a pid alone may have been reused.
same() { [ "$2" -gt 0 ] && stat_of "$1" && [ "$born" = "$2" ]; }

# Sets kids to the children of process $1.
children_of() {
    kids=
    for list in /proc/"$1"/task/*/children; do
        row=
        read -r row 2>/dev/null <"$list"
        kids="$kids $row"
    done
    [ -e "/proc/$$/task/$$/children" ] && return
    for entry in /proc/[0-9]*; do
        stat_of "${entry#/proc/}" && [ "$parent" = "$1" ] && kids="$kids ${entry#/proc/}"
    done
}

# Sets tree to the processes $@ and all below them.
tree_of() {
    tree=
    while [ $# -gt 0 ]; do
        tree="$tree $*" next=
        for one in "$@"; do children_of "$one"; next="$next $kids"; done
        # shellcheck disable=SC2086
        set -- $next
    done
}

# Notes the sessions of everything below the program: what is orphaned later is still found by its session.
sample() {
    roots=$agent
    for pair in $known; do same "${pair%:*}" "${pair#*:}" && roots="$roots ${pair%:*}"; done
    # shellcheck disable=SC2086
    tree_of $roots
    known=
    for one in $tree; do
        stat_of "$one" || continue
        case " $known " in *" $one:$born "*) continue ;; esac
        known="$known $one:$born" own=$session
        case " $sessions " in *" $own:"*) continue ;; esac
        stat_of "$own" || born=0
        sessions="$sessions $own:$born"
        ours "$dir/sessions" || rm -rf "$dir/sessions"
        echo "$own $born" >>"$dir/sessions"
    done
}

# Whether there is nothing or a plain file: a program can put links and pipes in the place of records.
ours() {
    [ ! -L "$1" ] && { [ ! -e "$1" ] || [ -f "$1" ]; }
}

# Sets found to PID:BORN of processes of this run that are younger than it and outside the supervisor's own session.
seek() {
    found=" " marked=" $(grep -lszF -e "MC_RUN_COOKIE=$cookie" -e " $mark " /proc/[0-9]*/environ /proc/[0-9]*/limits | tr '\n' ' ') "
    for entry in /proc/[0-9]*; do
        one=${entry#/proc/}
        stat_of "$one" || continue
        [ "$born" -ge "$since" ] && [ "$session" != "$$" ] && [ "$one" != 1 ] || continue
        pair="$one:$born" above=$parent own=$session hit=
        case $marked in *" $entry/environ "* | *" $entry/limits "*) hit=yes ;; esac
        case $found in *" $above:"*) hit=yes ;; esac
        if [ -z "$hit" ]; then
            for noted in $sessions; do
                [ "${noted%:*}" = "$own" ] || continue
                if stat_of "$own"; then [ "$born" = "${noted#*:}" ] && hit=yes; else hit=yes; fi
            done
        fi
        [ -n "$hit" ] && found="$found$pair "
    done
    found=${found# }
}

# Freezes, then kills what seek finds, until two looks in a row find nothing (or 20 rounds have passed).
sweep() {
    sessions="$sessions $agent:$agent_born" quiet=0 rounds=0
    while read -r own leader; do sessions="$sessions $own:$leader"; done 2>/dev/null <"$dir/sessions"
    while [ "$quiet" -lt 2 ] && [ "$rounds" -lt 20 ]; do
        rounds=$((rounds + 1))
        seek
        if [ -z "$found" ]; then quiet=$((quiet + 1)); continue; fi
        quiet=0
        for signal in STOP KILL; do
            for pair in $found; do
                same "${pair%:*}" "${pair#*:}" && kill -s "$signal" "${pair%:*}" 2>/dev/null
            done
        done
    done
}

# Waits $1 seconds; a sleep without fractions must not make the loop spin.
pause() { sleep "$1" 2>/dev/null || sleep 1; }

# Ends the program for reason $1: TERM to its group, grace, then KILL until the supervisor has seen it end.
stop() {
    (set -C; echo "$1" >"$dir/reason") 2>/dev/null
    same "$agent" "$agent_born" && kill -s TERM -- "-$agent" 2>/dev/null
    left=$grace
    while [ "$left" -gt 0 ] && same "$agent" "$agent_born"; do pause "$step"; left=$((left - 1)); done
    while same "$$" "$since"; do
        destroy
        pause "$step"
    done
    orphaned
}

destroy() {
    case $isolation in
    search) same "$agent" "$agent_born" && kill -s KILL -- "-$agent" 2>/dev/null ;;
    *) same "$init" "$init_born" && kill -s KILL "$init" 2>/dev/null ;;
    esac
}

# The supervisor itself was killed: take its run along. No exit is written, so it reads as half dead or gone.
orphaned() {
    destroy
    [ "$isolation" != search ] || sweep
    exit 0
}

# Beside the waiting supervisor: opens the gate once the run is on record, then counts ticks.
watch() {
    # An engine killed in the meantime leaves nobody to read `started`; the ticks must go on all the same.
    trap '' PIPE
    exec 5<"$dir/ready" 6>"$dir/go"
    top= ready=
    while read -r word pid <&5; do
        case $word in
        top) top=$pid ;;
        ready) ready=yes; break ;;
        esac
    done
    [ -n "$ready" ] || exit 1
    # The loader has them open.
    rm -f "$dir/ready" "$dir/go" "$dir/command"
    agent=$top init=0 init_born=0 space=0
    if [ "$isolation" != search ]; then
        children_of "$top"; init=${kids## }; init=${init%% *}
        children_of "${init:-0}"; agent=${kids## }; agent=${agent%% *}
        stat_of "${init:-0}" || exit 1
        init_born=$born
        space=$(readlink "/proc/$init/ns/pid"); space=${space#*[}; space=${space%]}
    fi
    stat_of "${agent:-0}" || exit 1
    agent_born=$born
    read -r boot </proc/sys/kernel/random/boot_id
    {
        echo "supervisor $$ $main_session $since"
        echo "boot $boot"
        echo "agent $agent $agent_born"
        [ "$init" = 0 ] || echo "init $init $init_born $space"
        echo end
    } >"$dir/start.tmp" && mv "$dir/start.tmp" "$dir/start" || exit 1
    echo go >&6
    exec 5<&- 6>&-
    echo started 2>/dev/null
    exec >/dev/null
    ticks=0 idle=0 last= known=
    while :; do
        [ "$isolation" != search ] || sample
        pause "$tick"
        same "$$" "$since" || orphaned
        now= ticks=$((ticks + 1))
        read -r now 2>/dev/null <"$dir/lease"
        if [ "$now" = "$last" ]; then idle=$((idle + 1)); else idle=0 last=$now; fi
        [ "$ticks" -lt "$timeout" ] || stop timeout
        [ "$idle" -lt "$lease" ] || stop lease
    done
}

run() {
    dir=$1
    if ! why=$(mkdir "$dir/claim" 2>&1); then
        # Where there is no room for the claim, there is none for the log.
        [ -e "$dir/claim" ] || { echo "claim the run directory: $why"; exit 125; }
        echo claimed
        exit 0
    fi
    cd /
    mask=$(umask)
    umask 077
    isolation=search tick=1 step=1 timeout=1 grace=0 lease=1 cookie= sessions=
    while read -r key value; do
        case $key in
        isolation) isolation=$value ;;
        tick) tick=$value ;;
        step) step=$value ;;
        timeout) timeout=$value ;;
        grace) grace=$value ;;
        lease) lease=$value ;;
        cookie) cookie=$value ;;
        esac
    done <"$dir/run"
    [ -n "$cookie" ] && stat_of "$$" || exit 1
    [ -p "$dir/ready" ] && [ -p "$dir/go" ] || mkfifo "$dir/ready" "$dir/go" || exit 1
    since=$born main_session=$session mark="1$born$(printf %07d "$$")"
    watch &
    exec >/dev/null
    # In the foreground: what a shell starts with & ignores SIGINT and SIGQUIT, and so would the program.
    (enter "$dir" "$isolation" "$mask" "$mark") 3>"$dir/ready" 4<"$dir/go"
    code=$?
    if ours "$dir/start" && [ -e "$dir/start" ]; then
        if [ "$isolation" = search ]; then
            while read -r key agent agent_born; do [ "$key" != agent ] || break; done <"$dir/start"
            sweep
        fi
        outcome="code $code"
        if ours "$dir/reason" && [ -e "$dir/reason" ]; then read -r outcome <"$dir/reason" || outcome=killed; fi
        # One write; what is cut short has no `end` and reads as absent.
        rm -rf "$dir/exit"
        (set -C; printf '%s\nend\n' "$outcome" >"$dir/exit")
    fi
    trap '' TERM
    kill -s TERM -- "-$$" 2>/dev/null
    exit 0
}

# Replaces this process by "$@" as pid 1 of a new pid namespace that dies with the supervisor.
contained() {
    flavour=$1
    shift
    case $flavour in
    unshare-root)
        exec setpriv --pdeathsig KILL unshare --pid --fork --mount-proc --kill-child "$@" ;;
    unshare-user)
        exec setpriv --pdeathsig KILL unshare --user --map-current-user --pid --fork --mount-proc --kill-child "$@" ;;
    esac
    exit 2
}

enter() {
    # In a subshell $$ is its parent.
    read -r own _ </proc/self/stat
    echo "top $own" >&3
    [ "$2" = search ] || contained "$2" sh "$0" init "$1" "$3"
    # A limit nobody uses (processor time of real-time threads) set to a number nobody else has is inherited by all
    # below, through setsid and an emptied environment.
    prlimit --rttime="$4": true 2>/dev/null && exec prlimit --rttime="$4": setsid sh "$0" program "$1" "$3"
    exec setsid sh "$0" program "$1" "$3"
}

# Pid 1 of the namespace: waits for the program, reaps what is orphaned, and its end ends everything.
init() {
    setsid sh "$0" program "$1" "$2"
    exit "$?"
}

decode() {
    case $1 in
    *\\*) _mc_v=$(printf '%b.' "$1"); _mc_v=${_mc_v%.} ;;
    *) _mc_v=$1 ;;
    esac
}

# Becomes the program, with exactly the environment on record, once the supervisor has opened the gate.
program() {
    exec >>"$1/out.log" 2>&1 5<"$1/command"
    [ ! -f "$1/err.log" ] || exec 2>>"$1/err.log"
    echo ready >&3
    read -r _mc_go <&4 || exit 125
    exec 3>&- 4<&-
    umask "$2"
    set --
    _mc_in=/dev/null
    unset PATH LC_ALL
    while IFS=' ' read -r _mc_key _mc_a _mc_b <&5; do
        case $_mc_key in
        cwd)
            decode "$_mc_a"
            cd "$_mc_v" || exit 125
            unset PWD OLDPWD SHLVL ;;
        stdin) decode "$_mc_a"; _mc_in=$_mc_v ;;
        env) decode "$_mc_b"; export "$_mc_a=$_mc_v" ;;
        arg) decode "$_mc_a"; set -- "$@" "$_mc_v" ;;
        end) exec 5<&- 6<&- 7<&- 8<&- 9<&- <"$_mc_in"; exec "$@" ;;
        esac
    done
    echo "the command file is incomplete"
    exit 125
}

stage=$1
shift
case $stage in
run) run "$1" ;;
init) init "$@" ;;
program) program "$@" ;;
probe) contained "$1" sh -c '[ "$$" -eq 1 ] && [ -r /proc/1/stat ]' ;;
esac

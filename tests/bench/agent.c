/* agent.c - the agent of every benchmark: as little work as an agent can do that still leaves a commit.
 *
 *   agent [UNIT]      UNIT, else $MC_UNIT, names the unit
 *
 * Sleeps BENCH_WORK_S seconds, prints BENCH_LOG_KB kilobytes, writes units/UNIT.txt in the working folder, `git add`,
 * `git commit`, prints "COMMIT <id>". Appends one line to BENCH_EVENTS: unit, start and end in ns, and the processor
 * time in us it and its git took, so that a measurement can leave the agents' own share out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static long long began;

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static long long now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long cpu_us(int who) {
    struct rusage u;
    getrusage(who, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* Runs a program to its end; with `out`, keeps the first line it prints. */
static int run(char *const argv[], char *out, size_t room) {
    int p[2];
    pid_t pid;
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    if (out) {
        if (pipe2(p, O_CLOEXEC)) return 127;
        posix_spawn_file_actions_adddup2(&fa, p[1], 1);
    } else {
        posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
    }
    int failed = posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    if (failed) return 127;
    if (out) {
        size_t n = 0;
        ssize_t k;
        close(p[1]);
        while (n + 1 < room && (k = read(p[0], out + n, room - 1 - n)) > 0) n += k;
        out[n] = 0;
        out[strcspn(out, "\n")] = 0;
        close(p[0]);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv) {
    began = now_ns();
    const char *unit = argc > 1 ? argv[1] : setting("MC_UNIT");
    if (!unit) return 2;
    double seconds = atof(setting("BENCH_WORK_S") ? setting("BENCH_WORK_S") : "0");
    if (seconds > 0) {
        struct timespec ts = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
        while (nanosleep(&ts, &ts) && errno == EINTR) {}
    }
    char line[1024];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    for (long left = atol(setting("BENCH_LOG_KB") ? setting("BENCH_LOG_KB") : "0"); left > 0; left--)
        fwrite(line, 1, sizeof line, stdout);
    char file[300], id[128];
    mkdir("units", 0755);
    snprintf(file, sizeof file, "units/%s.txt", unit);
    FILE *made = fopen(file, "w");
    if (!made) return 1;
    fprintf(made, "%s\nthe second line of %s\n", unit, unit);
    fclose(made);
    char *const add[] = {"git", "add", "--", file, NULL};
    char *const commit[] = {"git", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "commit", "-q", "--no-verify", "-m", (char *)unit, NULL};
    char *const head[] = {"git", "rev-parse", "HEAD", NULL};
    if (run(add, NULL, 0) || run(commit, NULL, 0) || run(head, id, sizeof id)) return 1;
    printf("COMMIT %s\n", id);
    fflush(stdout);
    const char *events = setting("BENCH_EVENTS");
    if (events) {
        char text[400];
        int n = snprintf(text, sizeof text, "%s %lld %lld %lld\n", unit, began, now_ns(), cpu_us(RUSAGE_SELF) + cpu_us(RUSAGE_CHILDREN));
        int fd = open(events, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd >= 0 && write(fd, text, n) != n) return 1;
    }
    return 0;
}

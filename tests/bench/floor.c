/* floor.c - the least that a program of this kind can do for a job, as a floor for timings.
 *
 *   floor REPO BRANCH WORKERS end|each|batch VERIFY UNITS AGENT
 *
 * Keeps WORKERS git worktrees, runs one agent in each at a time, merges every commit in memory (one long-running
 * `git merge-tree --stdin`, one `git commit-tree` a merge, one long-running `git update-ref --stdin`) and moves BRANCH
 * on. No state on disk, no retries, no limits, no containment: nobody could ship it. Verification, in a worktree of its
 * own, runs
 *   end    once, after the last merge
 *   each   once for every merge, one after another, before BRANCH moves; and once before the first
 *   batch  once for all that is waiting, merged in a row; then BRANCH moves; and once before the first
 * Prints "merged N verifications M".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum phase { IDLE, ADDING, PREPARING, WORKING };
enum check { QUIET, CHECKOUT, VERIFYING, NO_TREE_YET };

struct slot {
    pid_t pid;
    enum phase phase;
    char dir[512], out[512];
};

static struct slot *slots;
static char (*queue)[64], tip[64], candidate[64], check_dir[512];
static const char *repo, *branch, *mode, *verify_line, *agent;
static int units, workers, next_unit, first_waiting, past_waiting, merged, verifications, in_batch;
static enum check check_phase = NO_TREE_YET;
static pid_t check_pid;
static int merge_in, merge_out, ref_in, ref_out;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static pid_t start(char *const argv[], const char *dir, const char *out, int in_fd, int out_fd) {
    pid_t pid;
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    if (in_fd >= 0) posix_spawn_file_actions_adddup2(&fa, in_fd, 0);
    else posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    if (out_fd >= 0) posix_spawn_file_actions_adddup2(&fa, out_fd, 1);
    else posix_spawn_file_actions_addopen(&fa, 1, out ? out : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (dir) posix_spawn_file_actions_addchdir_np(&fa, dir);
    if (posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ)) die(argv[0]);
    posix_spawn_file_actions_destroy(&fa);
    return pid;
}

/* A git that keeps running, with a pipe on either side. */
static void server(char *const argv[], int *in, int *out) {
    int a[2], b[2];
    if (pipe2(a, O_CLOEXEC) || pipe2(b, O_CLOEXEC)) die("pipe");
    start(argv, repo, NULL, a[0], b[1]);
    close(a[0]);
    close(b[1]);
    *in = a[1];
    *out = b[0];
}

/* Runs a git to its end and keeps the first line of its answer. */
static void ask(char *const argv[], char line[64]) {
    int p[2], status;
    if (pipe2(p, O_CLOEXEC)) die("pipe");
    pid_t pid = start(argv, repo, NULL, -1, p[1]);
    close(p[1]);
    size_t n = 0;
    ssize_t k;
    while (n < 63 && (k = read(p[0], line + n, 63 - n)) > 0) n += k;
    line[n] = 0;
    line[strcspn(line, "\n")] = 0;
    close(p[0]);
    waitpid(pid, &status, 0);
}

static int merge(const char *base, const char *theirs, char commit[64]) {
    char request[160], answer[8192], tree[64];
    int n = snprintf(request, sizeof request, "%s %s\n", base, theirs);
    if (write(merge_in, request, n) != n) die("merge-tree");
    size_t got = 0;
    do { /* "1 NUL tree NUL NUL" when it is clean */
        ssize_t k = read(merge_out, answer + got, sizeof answer - got);
        if (k <= 0) die("merge-tree");
        got += k;
    } while (got < 3 || answer[got - 1] || answer[got - 2]);
    if (answer[0] != '1') return 0;
    snprintf(tree, sizeof tree, "%.40s", answer + 2);
    char *const a[] = {"git", "commit-tree", "-p", (char *)base, "-p", (char *)theirs, "-m", "Merge", tree, NULL};
    ask(a, commit);
    return 1;
}

static void move_branch(const char *to) {
    char request[300], answer[256];
    int n = snprintf(request, sizeof request, "start\nupdate refs/heads/%s %s\ncommit\n", branch, to);
    if (write(ref_in, request, n) != n) die("update-ref");
    size_t got = 0;
    do {
        ssize_t k = read(ref_out, answer + got, sizeof answer - got);
        if (k <= 0) die("update-ref");
        got += k;
    } while (!memmem(answer, got, "commit: ok", 10));
    strcpy(tip, to);
}

static void begin_check(const char *commit) {
    char *const a[] = {"git", "checkout", "-q", "--detach", (char *)commit, NULL};
    check_pid = start(a, check_dir, NULL, -1, -1);
    check_phase = CHECKOUT;
}

/* Starts the next verification, or merges without one. */
static void pump(void) {
    char commit[64];
    if (!strcmp(mode, "end")) {
        for (; first_waiting < past_waiting; first_waiting++)
            if (merge(tip, queue[first_waiting], commit)) {
                merged++;
                move_branch(commit);
            }
        return;
    }
    if (check_phase != QUIET || first_waiting == past_waiting) return;
    strcpy(candidate, tip);
    in_batch = 0;
    while (first_waiting < past_waiting) {
        if (!merge(candidate, queue[first_waiting++], commit)) continue;
        strcpy(candidate, commit);
        in_batch++;
        if (!strcmp(mode, "each")) break;
    }
    if (in_batch) begin_check(candidate);
}

static void give_work(struct slot *s) {
    s->phase = IDLE;
    if (next_unit == units) return;
    char name[32];
    snprintf(name, sizeof name, "unit-%05d", next_unit++);
    char *const a[] = {(char *)agent, name, NULL};
    s->pid = start(a, s->dir, s->out, -1, -1);
    s->phase = WORKING;
}

/* Queues the commit that the agent named on its last line. */
static void take_work(struct slot *s) {
    char end[64] = "";
    FILE *f = fopen(s->out, "r");
    if (!f) die(s->out);
    if (fseek(f, -48, SEEK_END) == 0 && fread(end, 1, 48, f) == 48 && !strncmp(end, "COMMIT ", 7))
        snprintf(queue[past_waiting++], 64, "%.40s", end + 7);
    fclose(f);
}

/* To the newest tip; what an agent left behind goes, as the next unit must not see it. */
static void prepare(struct slot *s) {
    char line[200];
    snprintf(line, sizeof line, "git checkout -q -f --detach %s && exec git clean -qfd", tip);
    char *const a[] = {"sh", "-c", line, NULL};
    s->pid = start(a, s->dir, NULL, -1, -1);
    s->phase = PREPARING;
}

static void check_moved_on(int status) {
    if (check_phase == CHECKOUT) {
        char *const a[] = {"sh", "-c", (char *)verify_line, NULL};
        check_pid = start(a, check_dir, NULL, -1, -1);
        check_phase = VERIFYING;
        return;
    }
    verifications++;
    check_phase = QUIET;
    if (status == 0 && in_batch) {
        move_branch(candidate);
        merged += in_batch;
    }
    in_batch = 0;
    pump();
}

static void slot_moved_on(struct slot *s) {
    if (s->phase != WORKING) {
        give_work(s);
        return;
    }
    take_work(s);
    pump();
    if (next_unit < units) prepare(s);
    else s->phase = IDLE;
}

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    repo = argv[1], branch = argv[2], workers = atoi(argv[3]), mode = argv[4], verify_line = argv[5];
    units = atoi(argv[6]), agent = argv[7];
    signal(SIGPIPE, SIG_IGN);
    slots = calloc(workers, sizeof *slots);
    queue = calloc(units, sizeof *queue);
    char *const rp[] = {"git", "rev-parse", (char *)branch, NULL};
    ask(rp, tip);
    for (int i = 0; i < workers && i < units; i++) {
        struct slot *s = &slots[i];
        snprintf(s->dir, sizeof s->dir, "%s.w%d", repo, i);
        snprintf(s->out, sizeof s->out, "%s.w%d.out", repo, i);
        char *const a[] = {"git", "worktree", "add", "-q", "--detach", s->dir, tip, NULL};
        s->pid = start(a, repo, NULL, -1, -1);
        s->phase = ADDING;
    }
    snprintf(check_dir, sizeof check_dir, "%s.verify", repo);
    char *const va[] = {"git", "worktree", "add", "-q", "--detach", check_dir, tip, NULL};
    pid_t adding = start(va, repo, NULL, -1, -1);
    char *const mt[] = {"stdbuf", "-o0", "git", "merge-tree", "--stdin", NULL};
    char *const ur[] = {"git", "update-ref", "--stdin", NULL};
    server(mt, &merge_in, &merge_out);
    server(ur, &ref_in, &ref_out);
    for (;;) {
        int busy = check_phase != QUIET || first_waiting < past_waiting, status;
        for (int i = 0; i < workers; i++) busy |= slots[i].phase != IDLE;
        if (!busy) {
            if (strcmp(mode, "end") || verifications) break;
            begin_check(tip);
        }
        pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0) die("waitpid");
        if (pid == adding) {
            check_phase = QUIET;
            if (strcmp(mode, "end")) begin_check(tip);
        } else if (pid == check_pid) {
            check_moved_on(status);
        } else {
            for (int i = 0; i < workers; i++)
                if (slots[i].pid == pid) slot_moved_on(&slots[i]);
        }
    }
    printf("merged %d verifications %d\n", merged, verifications);
    return 0;
}

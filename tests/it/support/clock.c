/* Shifts the wall clock of one program by the seconds in the file CLOCK_OFFSET_FILE; other clocks go on as they do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *time)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, time);
    const char *path = getenv("CLOCK_OFFSET_FILE");
    if (result == 0 && id == CLOCK_REALTIME && path) {
        long long offset = 0;
        FILE *file = fopen(path, "r");
        if (file) {
            if (fscanf(file, "%lld", &offset) != 1)
                offset = 0;
            fclose(file);
        }
        time->tv_sec += offset;
    }
    return result;
}

/* measure FILE PROGRAM [ARGUMENT ...]: runs a program and writes its wall and CPU microseconds and peak KiB to FILE.
 *
 * In C because the kernel counts what a process was before exec as its own: forked from Python, every program seems
 * to need what Python needs. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

int main(int argc, char **argv) {
    struct timespec from, to;
    struct rusage usage;
    int status;
    if (argc < 3) return 127;
    clock_gettime(CLOCK_MONOTONIC, &from);
    pid_t child = fork();
    if (child == 0) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0) return 127;
    clock_gettime(CLOCK_MONOTONIC, &to);
    FILE *out = fopen(argv[1], "w");
    if (!out) return 127;
    long wall = (to.tv_sec - from.tv_sec) * 1000000L + (to.tv_nsec - from.tv_nsec) / 1000;
    fprintf(out, "%ld %ld %ld\n", wall, micros(usage.ru_utime) + micros(usage.ru_stime), usage.ru_maxrss);
    fclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

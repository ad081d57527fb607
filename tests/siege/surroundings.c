/* Loaded before the program by tests/siege.rs: a wall clock that jumps, and names whose addresses change.
 *
 * CLOCK_JUMP  seconds by which the wall clock is off, from its CLOCK_AFTER-th reading on
 * ADDRESSES   what a name in .test resolves to, one lookup after the other; the last stays
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long long number(const char *name) {
    const char *text = getenv(name);
    return text ? atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static long long readings;
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int outcome = real(clock, now);
    if (clock == CLOCK_REALTIME && __atomic_fetch_add(&readings, 1, __ATOMIC_SEQ_CST) >= number("CLOCK_AFTER"))
        now->tv_sec += number("CLOCK_JUMP");
    return outcome;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    static long long lookups;
    if (!real)
        real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    const char *addresses = getenv("ADDRESSES"), *end = name ? strrchr(name, '.') : NULL;
    if (!addresses || !end || strcmp(end, ".test")) return real(name, service, hints, found);
    long long left = __atomic_fetch_add(&lookups, 1, __ATOMIC_SEQ_CST);
    for (const char *next; left > 0 && (next = strchr(addresses, ' ')); left--) addresses = next + 1;
    char address[64];
    snprintf(address, sizeof address, "%.*s", (int)strcspn(addresses, " "), addresses);
    return strcmp(address, "-") ? real(address, service, hints, found) : EAI_AGAIN;
}

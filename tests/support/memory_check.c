/* Holds the functions of .cargo/memory.c, under other names, against the C library's: every length, alignment and overlap. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *static_memcpy(void *, const void *, size_t);
void *static_memmove(void *, const void *, size_t);
void *static_memset(void *, int, size_t);
int static_memcmp(const void *, const void *, size_t);
int static_bcmp(const void *, const void *, size_t);

enum { LONGEST = 330, SHIFTS = 80, SIZE = 1024 };
static unsigned char ours[SIZE], theirs[SIZE], source[SIZE];

static void fill(unsigned char *to) {
    for (unsigned i = 0; i < SIZE; i++) to[i] = (unsigned char)(i * 31 + i / 251 + 7);
}

static int sign(int n) { return (n > 0) - (n < 0); }

static int fail(const char *what, size_t n, size_t a, size_t b) {
    printf("%s: length %zu, places %zu and %zu\n", what, n, a, b);
    return 1;
}

/* A page, with one after it that nobody may touch. */
static unsigned char *end_of_page(void) {
    long page = sysconf(_SC_PAGESIZE);
    unsigned char *both = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED || mprotect(both + page, page, PROT_NONE)) return NULL;
    return both + page;
}

int main(void) {
    unsigned long held = 0;
    unsigned char *one = end_of_page(), *other = end_of_page();
    if (!one || !other) return fail("no pages", 0, 0, 0);
    fill(source);
    for (size_t n = 0; n <= LONGEST; n++) {
        for (size_t a = 0; a <= SHIFTS; a++) {
            for (size_t b = 0; b <= SHIFTS; b++, held++) {
                /* Overlapping, both ways. */
                fill(ours);
                fill(theirs);
                if (static_memmove(ours + 100 + a, ours + 100 + b, n) != ours + 100 + a) return fail("memmove gives", n, a, b);
                memmove(theirs + 100 + a, theirs + 100 + b, n);
                if (memcmp(ours, theirs, SIZE)) return fail("memmove", n, a, b);
            }
        }
        for (size_t a = 0; a < 20; a++, held++) {
            fill(ours);
            fill(theirs);
            if (static_memcpy(ours + a, source + 40 - a, n) != ours + a) return fail("memcpy gives", n, a, 0);
            memcpy(theirs + a, source + 40 - a, n);
            if (memcmp(ours, theirs, SIZE)) return fail("memcpy", n, a, 0);
            if (static_memset(ours + a, (int)(a * 100 - 300), n) != ours + a) return fail("memset gives", n, a, 0);
            memset(theirs + a, (int)(a * 100 - 300), n);
            if (memcmp(ours, theirs, SIZE)) return fail("memset", n, a, 0);
        }
        /* Up to the end of a page, and no further. */
        static_memset(one - n, 1, n);
        static_memcpy(other - n, one - n, n);
        static_memmove(other - n, one - n, n);
        if (static_memcmp(one - n, other - n, n) || static_bcmp(one - n, other - n, n)) return fail("the end of a page", n, 0, 0);
        /* Equal, and other after that; and with one byte that is less or more at each place, and others after it. */
        fill(ours);
        memcpy(theirs + 3, ours, LONGEST + 1);
        theirs[3 + n] ^= 0x55;
        if (static_memcmp(ours, theirs + 3, n) || static_bcmp(ours, theirs + 3, n)) return fail("memcmp of equals", n, 0, 0);
        for (size_t at = 0; at < n; at++, held++) {
            for (int by = -1; by <= 1; by += 2) {
                memcpy(theirs + 3, ours, LONGEST + 1);
                theirs[3 + at] = (unsigned char)(ours[at] + by * 100);
                theirs[3 + n - 1] ^= at + 1 < n ? 0x81 : 0;
                int want = sign(memcmp(ours, theirs + 3, n));
                if (sign(static_memcmp(ours, theirs + 3, n)) != want) return fail("memcmp", n, at, 0);
                if (!static_bcmp(ours, theirs + 3, n) != !want) return fail("bcmp", n, at, 0);
            }
        }
    }
    printf("%lu\n", held);
    return 0;
}

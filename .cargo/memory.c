/* The C library's functions for memory, for the static program: musl's copy and compare the short pieces that names and values are
 * several times slower than other C libraries do, a fifth of the CPU time of a large run. scripts/static-build compiles and links it.
 *
 * What is short is read as two pieces that overlap, not byte by byte; only less than four bytes are compared so. Up to 64 bytes are all
 * loaded before the first is stored. Of more, the direction is chosen so that nothing is overwritten before it is read.
 *
 * For little-endian machines. tests/memory_functions.rs holds every length and overlap against the C library's own.
 */
#include <stddef.h>
#include <stdint.h>

typedef unsigned char block __attribute__((vector_size(16)));

/* With a constant length this is a load or a store, no call. */
#define LOAD(type, from) ({ type piece; __builtin_memcpy(&piece, (from), sizeof(type)); piece; })
#define STORE(type, to, piece) ({ type stored = (piece); __builtin_memcpy((to), &stored, sizeof(type)); })

/* Up to twice the size of `type`, and no less than it. */
#define COPY_TWO(type)                                   \
    do {                                                 \
        type first = LOAD(type, s);                      \
        type last = LOAD(type, s + n - sizeof(type));    \
        STORE(type, d, first);                           \
        STORE(type, d + n - sizeof(type), last);         \
        return to;                                       \
    } while (0)

/* In four registers: a struct of four would go through the stack, and leave a copy of a secret there. */
#define LOAD_FOUR(name, from)                                                                 \
    block name##0 = LOAD(block, (from)), name##1 = LOAD(block, (from) + 16),                  \
          name##2 = LOAD(block, (from) + 32), name##3 = LOAD(block, (from) + 48)
#define STORE_FOUR(to, name)                                                                  \
    do {                                                                                      \
        STORE(block, (to), name##0);                                                          \
        STORE(block, (to) + 16, name##1);                                                     \
        STORE(block, (to) + 32, name##2);                                                     \
        STORE(block, (to) + 48, name##3);                                                     \
    } while (0)

void *memmove(void *to, const void *from, size_t n) {
    unsigned char *d = to;
    const unsigned char *s = from;
    if (n <= 16) {
        if (n >= 8) COPY_TWO(uint64_t);
        if (n >= 4) COPY_TWO(uint32_t);
        if (n >= 2) COPY_TWO(uint16_t);
        if (n == 1) *d = *s;
        return to;
    }
    if (n <= 32) COPY_TWO(block);
    if (n <= 64) {
        block first = LOAD(block, s), second = LOAD(block, s + 16);
        block third = LOAD(block, s + n - 32), fourth = LOAD(block, s + n - 16);
        STORE(block, d, first);
        STORE(block, d + 16, second);
        STORE(block, d + n - 32, third);
        STORE(block, d + n - 16, fourth);
        return to;
    }
    if ((uintptr_t)d - (uintptr_t)s >= n) {
        /* Apart, or the target lies before the source. */
        LOAD_FOUR(end, s + n - 64);
        for (size_t at = 0; at < n - 64; at += 64) {
            LOAD_FOUR(piece, s + at);
            STORE_FOUR(d + at, piece);
        }
        STORE_FOUR(d + n - 64, end);
    } else {
        LOAD_FOUR(begin, s);
        for (size_t at = n - 64; at > 0; at = at > 64 ? at - 64 : 0) {
            LOAD_FOUR(piece, s + at);
            STORE_FOUR(d + at, piece);
        }
        STORE_FOUR(d, begin);
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) __attribute__((alias("memmove")));

#define SET_TWO(type)                                    \
    do {                                                 \
        STORE(type, d, (type)all);                       \
        STORE(type, d + n - sizeof(type), (type)all);    \
        return to;                                       \
    } while (0)

void *memset(void *to, int byte, size_t n) {
    unsigned char *d = to;
    uint64_t all = (unsigned char)byte * UINT64_C(0x0101010101010101);
    if (n <= 16) {
        if (n >= 8) SET_TWO(uint64_t);
        if (n >= 4) SET_TWO(uint32_t);
        if (n >= 2) SET_TWO(uint16_t);
        if (n == 1) *d = (unsigned char)byte;
        return to;
    }
    block piece = (block){} + (unsigned char)byte;
    for (size_t at = 0; at < n - 16; at += 16) {
        STORE(block, d + at, piece);
    }
    STORE(block, d + n - 16, piece);
    return to;
}

/* The order of two pieces, as bytes in a row. */
static int order(uint64_t one, uint64_t other) {
    one = __builtin_bswap64(one);
    other = __builtin_bswap64(other);
    return (one > other) - (one < other);
}

int memcmp(const void *one, const void *other, size_t n) {
    const unsigned char *a = one, *b = other;
    if (n >= 8) {
        for (size_t at = 0; at < n - 8; at += 8) {
            uint64_t x = LOAD(uint64_t, a + at), y = LOAD(uint64_t, b + at);
            if (x != y) return order(x, y);
        }
        return order(LOAD(uint64_t, a + n - 8), LOAD(uint64_t, b + n - 8));
    }
    if (n >= 4) {
        uint64_t x = LOAD(uint32_t, a) | (uint64_t)LOAD(uint32_t, a + n - 4) << 32;
        uint64_t y = LOAD(uint32_t, b) | (uint64_t)LOAD(uint32_t, b + n - 4) << 32;
        return order(x, y);
    }
    for (size_t at = 0; at < n; at++) {
        if (a[at] != b[at]) return a[at] - b[at];
    }
    return 0;
}

int bcmp(const void *one, const void *other, size_t n) __attribute__((alias("memcmp")));

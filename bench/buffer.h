// Bytes that grow, and the time: what the load and the upstream are both made of.

#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    char *at;
    size_t length, capacity;
} Buffer;

static inline void reserve(Buffer *b, size_t more)
{
    if (b->length + more <= b->capacity)
        return;
    b->capacity = 2 * (b->length + more);
    b->at = realloc(b->at, b->capacity);
}

static inline void append(Buffer *b, const char *bytes, size_t count)
{
    reserve(b, count);
    memcpy(b->at + b->length, bytes, count);
    b->length += count;
}

static inline uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

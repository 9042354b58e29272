#include "base/random.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static uint64_t random_splitmix(uint64_t *x)
{
    uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void random_seed(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->state[i] = random_splitmix(&seed);
}

void random_seed_from_system(struct random *r)
{
    uint64_t seed = 0;
    while (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        ; /* interrupted before the pool was ready: ask again */
    random_seed(r, seed);
}

static uint64_t random_rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* Source: xoshiro256**, Blackman and Vigna, public domain algorithm. */
uint64_t random_next(struct random *r)
{
    uint64_t *s = r->state, result = random_rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = random_rotl(s[3], 45);
    return result;
}

uint64_t random_below(struct random *r, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, v;
    do
        v = random_next(r);
    while (v >= limit);
    return v % n;
}

void random_uuid(struct random *r, char ret[static RANDOM_UUID_LEN])
{
    uint64_t a = random_next(r), b = random_next(r);
    snprintf(ret, RANDOM_UUID_LEN, "%08x-%04x-4%03x-%04x-%012lx", (unsigned)(a >> 32),
             (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 48 & 0x3fff) | 0x8000,
             b & UINT64_C(0xffffffffffff));
}

void random_name(struct random *r, char *ret, int n)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    for (int i = 0; i < n; i++)
        ret[i] = alphabet[random_below(r, sizeof alphabet - 1)];
    ret[n] = 0;
}

/* Random numbers as an argument: xoshiro256** seeded from the system or from a number.
 *
 * Good for names, allocation order and jitter, repeatable under the simulation. Not for secrets: keys and
 * tokens come from OpenSSL in src/io.
 */
#pragma once

#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_seed(struct random *r, uint64_t seed);
void random_seed_from_system(struct random *r);

uint64_t random_next(struct random *r);
/* Uniform in [0, N); N > 0. */
uint64_t random_below(struct random *r, uint64_t n);

#define RANDOM_UUID_LEN 37
/* A version 4 UUID with its NUL. */
void random_uuid(struct random *r, char ret[static RANDOM_UUID_LEN]);

/* N characters of the alphabet that Kubernetes uses for generated names (no vowels, no look-alikes) and a
 * NUL. */
void random_name(struct random *r, char *ret, int n);

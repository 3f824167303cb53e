/* tests/support/golden.h - expected values from a committed safetensors file. */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <stdint.h>

typedef struct golden golden;

/* `path` is absolute or from the repository's root. Fails the test when it cannot be read. */
golden *golden_open(const char *path);
void golden_close(golden *g);

/* The f32 tensor `name`, which has to have `count` elements. Valid until golden_close. */
const float *golden_get(const golden *g, const char *name, int64_t count);
int64_t golden_count(const golden *g, const char *name);

/* The text under a key of the file's metadata. Valid until golden_close. */
const char *golden_metadata(const golden *g, const char *key);

#endif

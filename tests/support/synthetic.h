/* tests/support/synthetic.h - numbers that C and Python make alike from a name: no weights in the
 * repository, and the same model on both sides. python/roto/train/golden.py has the other half. */
#ifndef TESTS_SUPPORT_SYNTHETIC_H
#define TESTS_SUPPORT_SYNTHETIC_H

#include "models/weights.h"

/* 64 random bits for element `i` of `name`: FNV-1a of the name as the key of splitmix64. */
uint64_t synthetic_bits(const char *name, uint64_t i);

/* In [-1, 1), exact in f32. */
float synthetic_value(const char *name, uint64_t i);

/* values[i] = scale * synthetic_value(name, i) */
void synthetic_fill(float *values, int64_t n, const char *name, float scale);

/* Tensors under their published names; free with synthetic_free. */
typedef struct synthetic_model {
    named_tensor *tensors;
    int n;
} synthetic_model;

/* Every tensor of a roto-s model. */
synthetic_model synthetic_sam2(void);

/* The model whose tensors a text lists, a line each: name, base, scale, dimensions; an element is
 * base + scale * synthetic_value(name, i). */
synthetic_model synthetic_from_list(const char *text);

void synthetic_free(synthetic_model *model);

/* The config of that model for input of about `pixels` pixels. */
typedef struct synthetic_config {
    char text[1536];
} synthetic_config;

synthetic_config synthetic_sam2_config(int pixels);

#endif

/* tests/format/torch_samples.h - small files of torch.save(), right and wrong ones, made by hand.
 */
#ifndef TESTS_FORMAT_TORCH_SAMPLES_H
#define TESTS_FORMAT_TORCH_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sample {
    uint8_t *data; /* exactly `bytes` long, so that sanitizers see every step beyond; free it */
    size_t bytes;
} sample;

typedef struct sample_file {
    const char *name;
    const void *data;
    size_t bytes;
    int method; /* 0: stored, as all of torch.save() */
} sample_file;

/* A ZIP archive; with `wide`, sizes and places are in 64-bit fields. */
sample sample_zip(const sample_file *files, size_t n, bool wide);

/* What a pickle says about its only tensor, called "w"; a zeroed field is as in sample_tensor. */
typedef struct sample_tensor {
    const char *storage_type, *key, *strides, *sizes; /* the latter two: operations */
    const char *count, *offset;                       /* operations */
} sample_tensor;

/* float32, [2, 3], contiguous, in the storage "0". */
sample sample_pickle(sample_tensor t);

/* An archive of a pickle and, as "data/0", six values. */
sample sample_archive(const void *pickle, size_t pickle_bytes);

#endif

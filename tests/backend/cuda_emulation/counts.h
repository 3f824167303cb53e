/* tests/backend/cuda_emulation/counts.h - what the emulated device was asked to do, so that tests
 * can show what a frame costs. */
#ifndef CUDA_EMULATION_COUNTS_H
#define CUDA_EMULATION_COUNTS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct emulated_counts {
    long waits;              /* of the host for the device */
    long launches;           /* of kernels */
    long to_host, to_device; /* asynchronous copies */
    long to_host_bytes, to_device_bytes;
    long allocations; /* of device and page-locked memory */
} emulated_counts;

/* In libroto_cuda.so, to be found by name. */
typedef const emulated_counts *emulated_counts_fn(void);
__attribute__((visibility("default"))) const emulated_counts *emulated_counts_get(void);

#ifdef __cplusplus
}
#endif
#endif

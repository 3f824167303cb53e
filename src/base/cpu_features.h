/* base/cpu_features.h - what the processor can execute. */
#ifndef BASE_CPU_FEATURES_H
#define BASE_CPU_FEATURES_H

#include <stdbool.h>

typedef struct cpu_features {
    bool avx2;        /* with FMA and F16C */
    bool avx512;      /* F, BW, DQ and VL */
    bool avx512_vnni; /* int8 dot products */
    bool avx512_bf16; /* bfloat16 dot products */
    bool amx;         /* tile, int8 and bfloat16; support by the system is not checked here */
    int n_cores;      /* that this process may use */
} cpu_features;

cpu_features cpu_features_detect(void);

#endif

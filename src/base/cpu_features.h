/* base/cpu_features.h - what the processor can execute. */
#ifndef BASE_CPU_FEATURES_H
#define BASE_CPU_FEATURES_H

#include <stdbool.h>

typedef struct cpu_features {
    bool avx2;        /* with FMA and F16C */
    bool avx512;      /* F, BW, DQ and VL */
    bool avx512_vnni; /* int8 dot products */
    bool avx512_bf16; /* bfloat16 dot products */
    bool amx;         /* tile, int8 and bfloat16; whether the system lets us: cpu_amx_permit() */
    int n_cores;      /* that this process may use */
} cpu_features;

cpu_features cpu_features_detect(void);

/* Whether threads that this process starts from now on may use AMX: the processor has it and the
 * system grants its registers, for which Linux wants to be asked. */
bool cpu_amx_permit(void);

#endif

#include "base/cpu_features.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* AMX has no name in __builtin_cpu_supports of the compilers roto supports: CPUID leaf 7, EDX. */
static bool amx_present(void)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
        return false;
    unsigned wanted = AMX_BF16 | AMX_TILE | AMX_INT8;
    return (edx & wanted) == wanted;
}
#endif

cpu_features cpu_features_detect(void)
{
    cpu_features features = {.n_cores = 1};
#if defined(__x86_64__)
    __builtin_cpu_init();
    features.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    features.avx512 = features.avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
    features.avx512_vnni = features.avx512 && __builtin_cpu_supports("avx512vnni");
    features.avx512_bf16 = features.avx512 && __builtin_cpu_supports("avx512bf16");
    features.amx = features.avx512 && amx_present();
#endif
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        features.n_cores = CPU_COUNT(&set);
    return features;
}

bool cpu_amx_permit(void)
{
#if defined(__x86_64__)
    /* Linux, Documentation/arch/x86/xstate.rst: a process asks for the tiles' state, component 18,
     * once; later threads inherit the permission. */
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    const cpu_features f = cpu_features_detect();
    return f.amx && f.avx512_bf16 && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}

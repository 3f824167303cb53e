#include <roto/system.h>

#include "base/cpu_features.h"

#include <stdio.h>
#include <string.h>

/* The processor's marketing name as Linux tells it, or "unknown processor". */
static void read_model_name(char *name, size_t bytes)
{
    snprintf(name, bytes, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof(line), file)) {
        const char *value = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
        if (!value)
            continue;
        value += strspn(value, ": \t");
        snprintf(name, bytes, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    fclose(file);
}

int32_t roto_cpu_describe(char *text, int32_t capacity)
{
    char name[128], line[320];
    read_model_name(name, sizeof(name));
    cpu_features f = cpu_features_detect();
    snprintf(line, sizeof(line), "%s, %d core%s,%s%s%s%s%s%s", name, f.n_cores,
             f.n_cores == 1 ? "" : "s", f.avx2 ? " AVX2" : "", f.avx512 ? " AVX-512" : "",
             f.avx512_vnni ? " VNNI" : "", f.avx512_bf16 ? " BF16" : "", f.amx ? " AMX" : "",
             f.avx2 ? "" : " no vector instructions that roto uses");
    if (text && capacity > 0)
        snprintf(text, (size_t)capacity, "%s", line);
    return (int32_t)strlen(line);
}

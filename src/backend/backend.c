#include "backend/backend.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

const backend_table *backend_find(const char *name)
{
    static const backend_table *const backends[] = {&backend_reference, &backend_cpu,
                                                    &backend_cuda};
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    }
    return NULL;
}

roto_status backend_choose(const char *name, const backend_table **table, int *device)
{
    *device = 0;
    *table = backend_find(name);
    if (*table)
        return ROTO_OK;
    if (strncmp(name, "cuda:", 5) == 0) {
        const char *digits = name + 5;
        if (strlen(digits) == 0 || strlen(digits) > 3 ||
            strspn(digits, "0123456789") != strlen(digits))
            return roto_fail(ROTO_ERROR_DEVICE,
                             "device '%.60s': what follows \"cuda:\" has to be a number", name);
        *device = atoi(digits);
        *table = &backend_cuda;
        return ROTO_OK;
    }
    return roto_fail(ROTO_ERROR_DEVICE,
                     "device '%.60s' is not known; there are \"cpu\", \"cuda\", \"cuda:N\" and "
                     "\"reference\"",
                     name);
}

#include "backend/backend.h"

#include <string.h>

const backend_table *backend_find(const char *name)
{
    static const backend_table *const backends[] = {&backend_reference, &backend_cpu};
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    }
    return NULL;
}

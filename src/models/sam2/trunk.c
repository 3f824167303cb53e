#include "models/sam2/trunk.h"

#include <string.h>

const trunk_table *trunk_find(const char *name)
{
    static const trunk_table *const trunks[] = {&trunk_hiera, &trunk_mobilenet_v2,
                                                &trunk_repvit_m1};
    for (size_t i = 0; i < sizeof(trunks) / sizeof(trunks[0]); i++) {
        if (strcmp(trunks[i]->name, name) == 0)
            return trunks[i];
    }
    return NULL;
}

/* models/sam2/trunk.h - what an image encoder's trunk is: a picture in, features at strides 4, 8,
 * 16 and 32 out. One table a trunk. */
#ifndef MODELS_SAM2_TRUNK_H
#define MODELS_SAM2_TRUNK_H

#include "graph/graph.h"
#include "models/sam2/config.h"
#include "models/weights.h"

typedef struct trunk_table {
    const char *name; /* the config's "trunk" */

    /* Refuses configs that the trunk cannot have. */
    roto_status (*check)(const sam2_config *config);

    /* Memory that `bind` fills and `build` reads. */
    size_t weights_bytes;
    void (*bind)(weights *w, const sam2_config *config, void *trunk_weights);

    /* image [1, h, w, 3], normalised */
    void (*build)(graph *g, const void *trunk_weights, tensor_id image,
                  tensor_id features[SAM2_LEVELS]);
} trunk_table;

const trunk_table *trunk_find(const char *name); /* NULL when there is none */

extern const trunk_table trunk_hiera, trunk_mobilenet_v2, trunk_repvit_m1;

#endif

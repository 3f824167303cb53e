/* format/image_planes.h - what the planes of a picture are made of. */
#ifndef FORMAT_IMAGE_PLANES_H
#define FORMAT_IMAGE_PLANES_H

#include <roto/image.h>
#include <stddef.h>

enum { IMAGE_MAX_PLANES = 3 };

typedef struct image_plane_size {
    int32_t rows;
    size_t row_bytes; /* without what may follow a row */
} image_plane_size;

/* The number of planes, 0 of an unknown format; those that are not there are of size 0. Looks at
 * the format and the size alone. */
int image_plane_sizes(const roto_image *image, image_plane_size out[IMAGE_MAX_PLANES]);

#endif

/* format/image_ids16.h - pictures of object ids that do not fit a palette. */
#ifndef FORMAT_IMAGE_IDS16_H
#define FORMAT_IMAGE_IDS16_H

#include <roto/error.h>
#include <stdint.h>

/* Writes ids [height, width] as 16-bit grey PNG; as roto_image_write_ids() otherwise. */
roto_status image_ids16_write(const char *path, const uint16_t *ids, int32_t width, int32_t height);

#endif

/* track/everything_result.h - what a caller gets of the masks that were found. */
#ifndef TRACK_EVERYTHING_RESULT_H
#define TRACK_EVERYTHING_RESULT_H

#include "track/found_masks.h"

#include <roto/everything.h>

enum { EVERYTHING_MAX_MASKS = 65535 /* that a map tells apart */ };

/* Takes the masks' run lengths over; what is left in *found has to be freed all the same. */
roto_status everything_new(found_masks *found, int32_t width, int32_t height,
                           roto_everything **out);

#endif

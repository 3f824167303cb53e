/* video/picture.h - decoded pictures of any kind as one of roto's pixel formats. */
#ifndef VIDEO_PICTURE_H
#define VIDEO_PICTURE_H

#include "video/frame.h"

#include <libavcodec/codec_id.h>
#include <libavutil/rational.h>

struct SwsContext;

/* Converts pixel formats that roto does not have; zeroed at first. */
typedef struct picture_converter {
    struct SwsContext *sws;
    int width, height, from, to, full_range; /* what sws was made for */
} picture_converter;

void picture_converter_reset(picture_converter *converter); /* a zeroed one is fine */

/* Makes *picture one of YUV420P, NV12, GRAY8 and RGB24 (unchanged if it is), taking new planes from
 * `pool`, and fills in the format, colour and planes of *image. `codec` helps where the stream
 * leaves the range open; `name` is for messages. */
roto_status picture_to_image(picture_converter *converter, frame_pool *pool, const char *name,
                             enum AVCodecID codec, AVFrame *picture, roto_image *image);

/* The planes of a picture in one of those four formats. */
void picture_show_planes(const AVFrame *picture, roto_image *image);

#endif

/* video/fit.h - pictures of any size and format into the one an encoder takes. */
#ifndef VIDEO_FIT_H
#define VIDEO_FIT_H

#include <roto/image.h>

#include <libavutil/frame.h>

struct SwsContext;

/* What the encoder takes; set by the first picture. */
typedef struct fit {
    int32_t width, height;           /* of the first picture */
    int32_t even_width, even_height; /* of the encoder's */
    enum AVPixelFormat format;       /* YUV420P or NV12 */
    roto_color_matrix matrix;
    int32_t full_range;
    AVFrame *canvas; /* for pictures that have to be changed */
    struct SwsContext *sws;
    roto_image sws_from; /* what sws was made for */
} fit;

roto_status fit_init(fit *f, const roto_image *first);
void fit_clear(fit *f); /* a zeroed one is fine */

/* Shows `image` through *out, which refers to its planes if they can stay as they are, else to a
 * changed copy; valid until the next call. */
roto_status fit_picture(fit *f, const roto_image *image, AVFrame *out);

#endif

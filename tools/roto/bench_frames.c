#include "bench_frames.h"

#include "interrupt.h"

#include <stdlib.h>
#include <time.h>

double bench_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Noise over a gradient, in YUV 4:2:0 as videos have it; NULL when out of memory. */
static uint8_t *synthetic_frame(int32_t width, int32_t height, roto_image *image)
{
    size_t w = (size_t)width, h = (size_t)height, cw = (w + 1) / 2, ch = (h + 1) / 2;
    uint8_t *pixels = malloc(w * h + 2 * cw * ch);
    if (!pixels)
        return NULL;
    uint32_t random = 1;
    for (size_t i = 0; i < w * h + 2 * cw * ch; i++) {
        random =
            random * 1664525u + 1013904223u; /* Knuth's constants by way of Numerical Recipes */
        pixels[i] = (uint8_t)(i % w * 160 / w + 40 + (random >> 28));
    }
    *image = (roto_image){.width = width,
                          .height = height,
                          .format = ROTO_PIXEL_YUV420P,
                          .matrix = ROTO_COLOR_BT709,
                          .plane = {pixels, pixels + w * h, pixels + w * h + cw * ch},
                          .stride_bytes = {width, (ptrdiff_t)cw, (ptrdiff_t)cw}};
    return pixels;
}

roto_status bench_frames_open(const char *video, const bench_options *o, bench_frames *out)
{
    *out = (bench_frames){0};
    if (video)
        return roto_source_open(video, NULL, &out->source);
    out->pixels = synthetic_frame(o->width, o->height, &out->image);
    return out->pixels ? ROTO_OK : ROTO_ERROR_MEMORY;
}

roto_status bench_frames_next(bench_frames *f, const roto_image **image)
{
    if (interrupt_requested())
        return ROTO_CANCELLED;
    *image = &f->image;
    if (!f->source)
        return ROTO_OK;
    roto_frame_release(f->frame);
    f->frame = NULL;
    const roto_status status = roto_source_read(f->source, &f->frame);
    if (status == ROTO_OK)
        *image = &f->frame->image;
    return status;
}

void bench_frames_close(bench_frames *f)
{
    roto_frame_release(f->frame);
    roto_source_close(f->source);
    free(f->pixels);
    *f = (bench_frames){0};
}

/* tests/track/segmenter_fixture.h - a segmenter with synthetic weights and pictures for it. */
#ifndef TESTS_TRACK_SEGMENTER_FIXTURE_H
#define TESTS_TRACK_SEGMENTER_FIXTURE_H

#include "support/cmocka_all.h"
#include "support/synthetic.h"

#include "track/segmenter.h"

#include <string.h>

enum { PICTURE_W = 128, PICTURE_H = 96, PICTURE_PIXELS = PICTURE_W * PICTURE_H };

static inline void assert_ok(roto_status status)
{
    if (status != ROTO_OK)
        fail_msg("%s", roto_error_message());
}

static inline void assert_refused(roto_status status, roto_status expected, const char *part)
{
    assert_int_equal(status, expected);
    if (!strstr(roto_error_message(), part))
        fail_msg("the message is: %s", roto_error_message());
}

static inline roto_segmenter *segmenter_synthetic(const roto_segmenter_params *params)
{
    static synthetic_model tensors; /* models read them for as long as they live */
    if (!tensors.tensors)
        tensors = synthetic_sam2();
    const synthetic_config config = synthetic_sam2_config(PICTURE_PIXELS);
    sam2_model *model = NULL;
    assert_ok(sam2_model_new(config.text, (int64_t)strlen(config.text), tensors.tensors, tensors.n,
                             &model));
    roto_segmenter *s = NULL;
    assert_ok(segmenter_new(model, params, &s));
    return s;
}

/* A texture of 4 px blocks that moves 2 px a frame to the left. */
static inline roto_image picture(int frame)
{
    static uint8_t rgb[PICTURE_PIXELS * 3];
    for (int y = 0; y < PICTURE_H; y++)
        for (int x = 0; x < PICTURE_W; x++)
            for (int c = 0; c < 3; c++) {
                const int block = (y / 4 * 64 + (x + 2 * frame) / 4 % 64) * 3 + c;
                rgb[(y * PICTURE_W + x) * 3 + c] =
                    (uint8_t)(synthetic_bits("golden.texture", (uint64_t)block) >> 56);
            }
    return (roto_image){.width = PICTURE_W,
                        .height = PICTURE_H,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {rgb},
                        .stride_bytes = {3 * PICTURE_W}};
}

static inline roto_status click(roto_segmenter *s, int64_t id, int64_t frame, float x, float y,
                                int32_t label)
{
    roto_prompt prompt = roto_prompt_default();
    const float point[2] = {x, y};
    prompt.points = point;
    prompt.labels = &label;
    prompt.n_points = 1;
    return roto_segmenter_prompt(s, id, frame, &prompt);
}

static inline roto_status give_box(roto_segmenter *s, int64_t id, int64_t frame, roto_box box)
{
    roto_prompt prompt = roto_prompt_default();
    prompt.box = &box;
    return roto_segmenter_prompt(s, id, frame, &prompt);
}

/* A rectangle [x0, x1) x [y0, y1) in a mask of w x h. */
static inline roto_status give_mask(roto_segmenter *s, int64_t id, int64_t frame, int w, int h,
                                    int x0, int y0, int x1, int y1)
{
    static uint8_t mask[256 * 256];
    memset(mask, 0, sizeof(mask));
    for (int y = y0; y < y1; y++)
        memset(mask + y * w + x0, 255, (size_t)(x1 - x0));
    roto_prompt prompt = roto_prompt_default();
    prompt.mask = mask;
    prompt.mask_width = w;
    prompt.mask_height = h;
    prompt.mask_stride_bytes = w;
    return roto_segmenter_prompt(s, id, frame, &prompt);
}

#endif

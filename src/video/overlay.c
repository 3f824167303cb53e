#include "video/overlay.h"

#include "base/error.h"
#include "base/memory.h"
#include "video/font.h"
#include "video/paint.h"
#include "video/shape.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_LABEL_BYTES = 64,
    MAX_NAME_BYTES = 40 /* of it, for the class */
};

/* Sizes in pixels of a picture whose shorter side is 720; they grow and shrink with it. */
static const float reference_px = 720, cap_at_reference = 11.5f, line_at_reference = 2.6f;
/* ... but not below what can be read and seen. */
static const float min_cap_px = 6.5f, min_line_px = 1.5f, max_cap_px = 256;

struct overlay {
    int32_t side_px; /* shorter side of the pictures that all below is made for */
    float cap_px, line_px;
    font *font;
    shape_scratch scratch;
    uint8_t *text; /* coverage of a label */
    size_t text_capacity;
};

roto_status overlay_new(overlay **out)
{
    *out = memory_new_array(1, sizeof(**out));
    return *out ? ROTO_OK : ROTO_ERROR_MEMORY;
}

void overlay_free(overlay *o)
{
    if (!o)
        return;
    font_free(o->font);
    shape_scratch_free(&o->scratch);
    free(o->text);
    free(o);
}

static roto_status prepare(overlay *o, const draw_target *target)
{
    ROTO_TRY(shape_scratch_grow(&o->scratch, target->width));
    int32_t side_px = target->width < target->height ? target->width : target->height;
    if (side_px == o->side_px)
        return ROTO_OK;
    font_free(o->font);
    o->font = NULL;
    o->side_px = 0;
    float scale = (float)side_px / reference_px;
    o->cap_px = fminf(fmaxf(cap_at_reference * scale, min_cap_px), max_cap_px);
    o->line_px = fmaxf(line_at_reference * scale, min_line_px);
    ROTO_TRY(font_new(o->cap_px, &o->font));
    o->side_px = side_px;
    return ROTO_OK;
}

static overlay_color color_of_hsv(double hue, double saturation, double value)
{
    double c[3];
    for (int i = 0; i < 3; i++) {
        /* Smith 1978: each channel is a trapezoid over the hue circle. */
        double k = fmod(5 - 2 * i + hue * 6, 6);
        c[i] = value - value * saturation * fmax(0, fmin(fmin(k, 4 - k), 1));
    }
    return (overlay_color){(uint8_t)lrint(255 * c[0]), (uint8_t)lrint(255 * c[1]),
                           (uint8_t)lrint(255 * c[2])};
}

overlay_color overlay_identity_color(int64_t id)
{
    /* Steps of the golden ratio never come close to an earlier hue for long (Weyl's sequence);
     * three shades tell those apart that do. */
    const double golden = 0.6180339887498949;
    static const double shades[3][2] = {{0.78, 1.0}, {0.58, 0.92}, {0.92, 0.84}};
    uint64_t n = (uint64_t)id;
    double hue = fmod((double)(n % 1000000) * golden, 1);
    return color_of_hsv(hue, shades[n % 3][0], shades[n % 3][1]);
}

/* Black or white, whichever is further from the plate. */
static overlay_color text_color(overlay_color plate)
{
    double luma = 0.2126 * plate.r + 0.7152 * plate.g + 0.0722 * plate.b;
    return luma > 115 ? (overlay_color){16, 16, 20} : (overlay_color){255, 255, 255};
}

/* Boxes from anywhere, cut to a frame around the picture: what lies further out shows nothing. */
static bool clip_box(const roto_box *box, const draw_target *target, float margin, roto_box *out)
{
    if (!(box->x0 < box->x1 && box->y0 < box->y1))
        return false; /* empty, or not a number */
    float right = (float)target->width + margin, bottom = (float)target->height + margin;
    *out = (roto_box){fmaxf(box->x0, -margin), fmaxf(box->y0, -margin), fminf(box->x1, right),
                      fminf(box->y1, bottom)};
    return out->x0 < out->x1 && out->y0 < out->y1;
}

static void draw_box(overlay *o, const draw_target *target, const roto_box *box,
                     overlay_color color, float line_px)
{
    roto_box clipped;
    if (!clip_box(box, target, 4 * line_px, &clipped))
        return;
    paint p = paint_new(target, color);
    shape_outline(&o->scratch, &p, &clipped, line_px, 2.5f * line_px);
}

/* A plate above the box, or inside it where there is no room. */
static roto_status draw_label(overlay *o, const draw_target *target, const roto_box *box,
                              overlay_color color, const char *text)
{
    roto_box clipped;
    if (!clip_box(box, target, 4 * o->line_px, &clipped))
        return ROTO_OK;
    float padding = roundf(0.6f * o->cap_px);
    int width = (int)ceilf(font_text_width(o->font, text) + padding);
    int height = (int)ceilf(o->cap_px + 1.7f * padding);
    int x = (int)lrintf(clipped.x0 - 0.5f * o->line_px);
    int y = (int)lrintf(clipped.y0 - 0.5f * o->line_px) - height;
    if (y < 0)
        y = (int)lrintf(fmaxf(clipped.y0 - 0.5f * o->line_px, 0));
    x = x > target->width - width ? target->width - width : x;
    x = x < 0 ? 0 : x;
    y = y > target->height - height ? target->height - height : y;
    y = y < 0 ? 0 : y;
    x &= ~1; /* whole pixels of chroma */
    y &= ~1;

    size_t bytes = (size_t)width * (size_t)height;
    if (!memory_grow((void **)&o->text, &o->text_capacity, bytes, 1))
        return ROTO_ERROR_MEMORY;
    memset(o->text, 0, bytes);
    float baseline = 0.5f * ((float)height + o->cap_px);
    font_draw(o->font, text, 0.5f * padding, baseline, o->text, width, height);
    paint plate = paint_new(target, color), ink = paint_new(target, text_color(color));
    roto_box area = {(float)x, (float)y, (float)(x + width), (float)(y + height)};
    shape_fill(&o->scratch, &plate, &area, 0.3f * o->cap_px);
    paint_tile(&ink, x, y, width, height, o->text, width);
    return ROTO_OK;
}

static void name_class(char *text, size_t bytes, int32_t class_id, const char *const *names,
                       int32_t n_names)
{
    if (class_id < 0)
        snprintf(text, bytes, "object");
    else if (class_id < n_names)
        snprintf(text, bytes, "%.*s", MAX_NAME_BYTES, names[class_id]);
    else
        snprintf(text, bytes, "class %d", class_id);
}

/* Not by %f, whose decimal point is a comma in some locales. */
static int hundredths(float score)
{
    return (int)lrintf(100 * fminf(fmaxf(score, 0), 1));
}

roto_status overlay_draw_tracks(overlay *o, const draw_target *target, const roto_track *tracks,
                                int32_t n_tracks, const char *const *class_names,
                                int32_t n_class_names)
{
    ROTO_TRY(prepare(o, target));
    for (int32_t i = 0; i < n_tracks; i++) {
        float line_px = tracks[i].missed_frames > 0 ? 0.6f * o->line_px : o->line_px;
        draw_box(o, target, &tracks[i].box, overlay_identity_color(tracks[i].id), line_px);
    }
    /* After all boxes, so that no line runs through a label. */
    for (int32_t i = 0; i < n_tracks; i++) {
        char name[MAX_NAME_BYTES + 16], text[MAX_LABEL_BYTES + 32];
        name_class(name, sizeof(name), tracks[i].class_id, class_names, n_class_names);
        int score = hundredths(tracks[i].score);
        snprintf(text, sizeof(text), "%s %lld %d.%02d", name, (long long)tracks[i].id, score / 100,
                 score % 100);
        ROTO_TRY(draw_label(o, target, &tracks[i].box, overlay_identity_color(tracks[i].id), text));
    }
    return ROTO_OK;
}

roto_status overlay_draw_detections(overlay *o, const draw_target *target,
                                    const roto_detection *detections, int32_t n_detections,
                                    const char *const *class_names, int32_t n_class_names)
{
    ROTO_TRY(prepare(o, target));
    for (int32_t i = n_detections - 1; i >= 0; i--) /* the best on top */
        draw_box(o, target, &detections[i].box, overlay_identity_color(detections[i].class_id),
                 o->line_px);
    for (int32_t i = n_detections - 1; i >= 0; i--) {
        char name[MAX_NAME_BYTES + 16], text[MAX_LABEL_BYTES + 32];
        name_class(name, sizeof(name), detections[i].class_id, class_names, n_class_names);
        int score = hundredths(detections[i].score);
        snprintf(text, sizeof(text), "%s %d.%02d", name, score / 100, score % 100);
        ROTO_TRY(draw_label(o, target, &detections[i].box,
                            overlay_identity_color(detections[i].class_id), text));
    }
    return ROTO_OK;
}

roto_status overlay_draw_mask(overlay *o, const draw_target *target, const uint8_t *mask,
                              ptrdiff_t stride_bytes, overlay_color color)
{
    ROTO_TRY(prepare(o, target));
    paint p = paint_new(target, color);
    shape_mask(&o->scratch, &p, mask, stride_bytes, o->line_px);
    return ROTO_OK;
}

#include "track/segment_view.h"

#include <math.h>

/* Of the view's side, what the objects' box may cover: at most this when the view is chosen, and
 * less than this by a level before it closes in further. */
#define COVER 0.9f
#define STEP 0.8f
#define CLOSE_IN 0.9f
/* A view has at least the width of the model over this: it may be enlarged. */
#define FINEST 4

void view_hint_add(view_hint *hint, const roto_box *box)
{
    if (!hint->any) {
        hint->around = *box;
        hint->any = true;
        return;
    }
    roto_box *a = &hint->around;
    *a = (roto_box){fminf(a->x0, box->x0), fminf(a->y0, box->y0), fmaxf(a->x1, box->x1),
                    fmaxf(a->y1, box->y1)};
}

segment_view segment_view_whole(int32_t frame_w, int32_t frame_h)
{
    return (segment_view){.w = frame_w, .h = frame_h};
}

static int32_t even(float value, int32_t most)
{
    const int32_t n = 2 * (int32_t)lroundf(value / 2);
    return n < 2 ? (most < 2 ? most : 2) : n > most ? most : n;
}

void segment_view_size(int32_t frame_w, int32_t frame_h, int32_t level, int32_t out[2])
{
    const float share = powf(STEP, (float)level);
    out[0] = level == 0 ? frame_w : even((float)frame_w * share, frame_w);
    out[1] = level == 0 ? frame_h : even((float)frame_h * share, frame_h);
}

/* How much of a level's view the box covers, sideways or down, whichever is more. */
static float cover_of(const roto_box *box, int32_t frame_w, int32_t frame_h, int32_t level)
{
    int32_t size[2];
    segment_view_size(frame_w, frame_h, level, size);
    return fmaxf((box->x1 - box->x0) / (float)size[0], (box->y1 - box->y0) / (float)size[1]);
}

/* Where a side of length n starts so that `center` is in its middle, or as near as the frame is. */
static int32_t start_of(float center, int32_t n, int32_t frame)
{
    int32_t at = 2 * (int32_t)lroundf((center - (float)n / 2) / 2);
    const int32_t last = (frame - n) / 2 * 2;
    at = at > last ? last : at;
    return at < 0 ? 0 : at;
}

segment_view segment_view_next(const segment_view *from, bool is_first, const view_hint *hint,
                               int32_t frame_w, int32_t frame_h, int32_t image_w)
{
    if (hint->unsure || (is_first && !hint->any))
        return segment_view_whole(frame_w, frame_h);
    int32_t level = is_first ? SEGMENT_VIEW_LEVELS - 1 : from->level;
    if (hint->lost && level > 0)
        level--;
    if (hint->any) {
        while (level > 0 && cover_of(&hint->around, frame_w, frame_h, level) > COVER)
            level--;
        const int32_t closer = level + 1;
        if (!hint->lost && closer < SEGMENT_VIEW_LEVELS &&
            cover_of(&hint->around, frame_w, frame_h, closer) < CLOSE_IN * COVER)
            level = closer;
    }
    int32_t size[2];
    segment_view_size(frame_w, frame_h, level, size);
    while (level > 0 && FINEST * size[0] < image_w)
        segment_view_size(frame_w, frame_h, --level, size);
    const roto_box was = {(float)from->x, (float)from->y, (float)(from->x + from->w),
                          (float)(from->y + from->h)};
    const roto_box *around = hint->any ? &hint->around : &was;
    return (segment_view){.x = start_of((around->x0 + around->x1) / 2, size[0], frame_w),
                          .y = start_of((around->y0 + around->y1) / 2, size[1], frame_h),
                          .w = size[0],
                          .h = size[1],
                          .level = level};
}

bool segment_view_same(const segment_view *a, const segment_view *b)
{
    return a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h;
}

bool segment_view_holds(const segment_view *v, const roto_box *box)
{
    return box->x0 >= (float)v->x && box->y0 >= (float)v->y && box->x1 <= (float)(v->x + v->w) &&
           box->y1 <= (float)(v->y + v->h);
}

roto_image segment_view_image(const segment_view *v, const roto_image *image)
{
    roto_image part = *image;
    part.width = v->w;
    part.height = v->h;
    const ptrdiff_t channels = image->format == ROTO_PIXEL_RGB8 ? 3 : 1;
    part.plane[0] += v->y * image->stride_bytes[0] + v->x * channels;
    /* x and y are even: chroma starts on a whole sample. */
    if (image->format == ROTO_PIXEL_NV12)
        part.plane[1] += v->y / 2 * image->stride_bytes[1] + v->x;
    for (int i = 1; image->format == ROTO_PIXEL_YUV420P && i < 3; i++)
        part.plane[i] += v->y / 2 * image->stride_bytes[i] + v->x / 2;
    return part;
}

/* A sample between two others; first -1: outside. */
typedef struct view_tap {
    int32_t first, second;
    float part;
} view_tap;

static view_tap tap_of(int32_t i, int32_t n_out, int32_t to, int32_t to_n, int32_t from,
                       int32_t from_n, int32_t n)
{
    const float at = (float)to + ((float)i + 0.5f) * (float)to_n / (float)n_out;
    if (at < (float)from || at > (float)(from + from_n))
        return (view_tap){.first = -1};
    float cell = (at - (float)from) * (float)n / (float)from_n - 0.5f;
    cell = cell < 0 ? 0 : cell;
    view_tap t = {.first = (int32_t)cell};
    t.first = t.first < n ? t.first : n - 1;
    t.second = t.first + 1 < n ? t.first + 1 : t.first;
    t.part = cell - (float)t.first;
    return t;
}

void segment_view_resample(const float *logits, int32_t w, int32_t h, const segment_view *from,
                           const segment_view *to, int32_t out_w, int32_t out_h, float outside,
                           float *out)
{
    view_tap across[SEGMENT_VIEW_MAX_GRID];
    for (int32_t x = 0; x < out_w; x++)
        across[x] = tap_of(x, out_w, to->x, to->w, from->x, from->w, w);
    for (int32_t y = 0; y < out_h; y++, out += out_w) {
        const view_tap down = tap_of(y, out_h, to->y, to->h, from->y, from->h, h);
        if (down.first < 0) {
            for (int32_t x = 0; x < out_w; x++)
                out[x] = outside;
            continue;
        }
        const float *a = logits + (ptrdiff_t)down.first * w,
                    *b = logits + (ptrdiff_t)down.second * w;
        for (int32_t x = 0; x < out_w; x++) {
            const view_tap *t = &across[x];
            if (t->first < 0) {
                out[x] = outside;
                continue;
            }
            const float upper = a[t->first] + t->part * (a[t->second] - a[t->first]),
                        lower = b[t->first] + t->part * (b[t->second] - b[t->first]);
            out[x] = upper + down.part * (lower - upper);
        }
    }
}

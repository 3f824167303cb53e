/* track/segment_view.h - the part of the frame that a segmenter looks at.
 *
 * The model has a fixed number of pixels, and finds little on objects that cover a few of its
 * cells. So it can look closer: at a window in the frame's shape around all objects, which follows
 * them from frame to frame. Its size has a few steps, so that it is steady and costs no memory. */
#ifndef TRACK_SEGMENT_VIEW_H
#define TRACK_SEGMENT_VIEW_H

#include <roto/detect.h>
#include <roto/error.h>
#include <roto/image.h>
#include <stdbool.h>

enum {
    SEGMENT_VIEW_LEVELS = 11, /* each shows 0.8 of the one before, sideways and down */
    SEGMENT_VIEW_FINER = 4    /* masks of views are handed out on a grid as much finer */
};

typedef struct segment_view {
    int32_t x, y, w, h; /* pixels of the frame; even, as far as the frame's size is */
    int32_t level;      /* 0: the whole frame */
} segment_view;

/* What is known about where the objects are. */
typedef struct view_hint {
    bool any;        /* `around` holds a box */
    roto_box around; /* all objects, in pixels of the frame */
    bool unsure;     /* of some object only a point is known */
    bool lost;       /* some object was not in sight */
} view_hint;

void view_hint_add(view_hint *hint, const roto_box *box);

segment_view segment_view_whole(int32_t frame_w, int32_t frame_h);
/* The size of a level's view: [0] width, [1] height. */
void segment_view_size(int32_t frame_w, int32_t frame_h, int32_t level, int32_t out[2]);

/* The view for the next frame. is_first: nothing was followed before, so that `from` does not
 * matter. image_w: the model's width, of which a view has at least a quarter. */
segment_view segment_view_next(const segment_view *from, bool is_first, const view_hint *hint,
                               int32_t frame_w, int32_t frame_h, int32_t image_w);

bool segment_view_same(const segment_view *a, const segment_view *b);
bool segment_view_holds(const segment_view *v, const roto_box *box);

/* The view's part of an image; it views the same memory. */
roto_image segment_view_image(const segment_view *v, const roto_image *image);

/* Logits [h, w] of one view on a grid [out_h, out_w] over another, bilinearly; `outside` where the
 * first did not look. out_w is at most SEGMENT_VIEW_MAX_GRID. */
enum { SEGMENT_VIEW_MAX_GRID = 1024 };
void segment_view_resample(const float *logits, int32_t w, int32_t h, const segment_view *from,
                           const segment_view *to, int32_t out_w, int32_t out_h, float outside,
                           float *out);

#endif

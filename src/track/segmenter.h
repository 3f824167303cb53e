/* track/segmenter.h - the inside of roto_segmenter, shared by the files that make it up:
 * segmenter.c opens and closes, segment_prompt.c takes prompts, segment_frame.c decides what
 * happens to each object in a frame, segment_ahead.c begins with the next one, segment_compute.c
 * runs the graphs, segment_exchange.c is what host and device tell each other, segment_each.c
 * shares work on objects among threads, segment_results.c hands out masks, segment_image.c answers
 * about single images and segment_times.c says where time went. */
#ifndef TRACK_SEGMENTER_H
#define TRACK_SEGMENTER_H

#include "base/team.h"
#include "models/frame_device.h"
#include "models/frame_input.h"
#include "track/distractor_memory.h"
#include "track/mask_choice.h"
#include "track/mask_scale.h"
#include "track/memory_window.h"
#include "track/motion_memory.h"
#include "track/segment_exchange.h"
#include "track/segment_graphs.h"
#include "track/segment_view.h"

#include <roto/segment.h>

/* What a user said about an object on one frame, in pixels of that frame. */
typedef struct prompt_set {
    int64_t frame;
    prompt_point points[SEGMENT_MAX_POINTS]; /* a box's corners come first */
    int32_t n_points;
    bool has_box;
    uint8_t *mask; /* [mask_h, mask_w] packed; owned */
    int32_t mask_w, mask_h;
} prompt_set;

typedef struct segment_object {
    int64_t id;
    memory_bank bank;
    motion_memory motion;         /* where memory is motion-aware */
    distractor_memory distractor; /* where it is distractor-aware */
    bool anchors;                 /* so that the present answer becomes an anchor */

    prompt_set *waiting; /* for frames to come */
    size_t n_waiting, waiting_capacity;

    /* On the current frame: */
    bool present;      /* it has an answer there */
    segment_view view; /* that its logits are of */
    roto_segment_source source;
    prompt_set given; /* prompts that made the answer; frame -1: none. Its mask is not kept. */
    float *logits;    /* [mask_h, mask_w] */
    float *raw;       /* the same before holes were filled */
    float *shown;     /* [shown_h, shown_w] the same over the whole frame; NULL without zoom */
    bool shown_fresh; /* it shows these logits */
    float object_score, iou;
    int32_t pointer; /* in the exchange's list, of the answer just made; -1: out of sight */
    int32_t choice;  /* of the decoder's masks; -1: a mask prompt */
} segment_object;

/* What the time of a frame is spent on. */
typedef enum segment_part {
    SEGMENT_INPUT,
    SEGMENT_ENCODE,
    SEGMENT_RECALL,
    SEGMENT_DECODE,
    SEGMENT_WAIT,
    SEGMENT_CHOOSE,
    SEGMENT_REMEMBER,
    SEGMENT_N_PARTS
} segment_part;

/* Work for each of some objects; `index` is the object's among them. A thread may use its part of
 * the scratch. */
typedef void segment_each_fn(roto_segmenter *s, segment_object *o, int32_t index, int thread);

typedef struct segment_each_work {
    segment_object *const *objects;
    segment_each_fn *fn;
    team_program program;
} segment_each_work;

/* Of the frame after the current one. */
typedef struct segment_ahead {
    int64_t wanted;   /* what roto_segmenter_next() said of the frame that comes next; -1: none */
    roto_image image; /* of it; the caller's */
    int64_t encoded;  /* the frame whose features are being made ahead; -1: none */
} segment_ahead;

struct roto_segmenter {
    roto_segmenter_params params;
    bool zoom, keeps_features;
    sam2_model *model;
    const backend_table *table;
    backend *backend;
    team *team, *own_team; /* the host's threads; its own where the backend has none */
    segment_each_work each;
    char description[512];

    /* What depends on the model's input size; made with the first frame. */
    bool sized;
    sam2_size size;
    frame_input *inputs[SEGMENT_VIEW_LEVELS]; /* the first alone without zoom */
    frame_device *device_input;               /* instead of these where the backend can do it */
    segment_graphs *graphs;
    memory_window *window;
    segment_exchange exchange;
    buffer *no_pointer;    /* the model's no_obj_ptr, on the device */
    buffer *kept_features; /* of the latest frame, on the host, once they are wanted */
    mask_scaler *scaler;   /* for the current frame's size */
    int32_t frame_w, frame_h;
    int32_t shown_w, shown_h; /* the grid on which logits are handed out */
    segment_view view;        /* what the frame graph is given */
    roto_image held;          /* the current frame, with zoom or a device_input */
    uint8_t *held_bytes;      /* with zoom alone */
    segment_ahead ahead;
    size_t held_capacity;
    float *spread;       /* [shown_h, shown_w] scratch, with zoom */
    int32_t *hole_queue; /* [threads, mask_h, mask_w] scratch */
    uint8_t *hole_state; /* [threads, mask_h, mask_w] scratch */
    float *image_mask;   /* [image_h, image_w], for mask prompts */
    float *prior;        /* [mask_h, mask_w], logits of a mask that is looked at */

    segment_object **objects; /* by id */
    int32_t n_objects;
    segment_object **spare; /* memory of objects that were removed, for the next ones */
    int32_t n_spare;

    int64_t frame;      /* the current one; -1 before the first and while an image is looked at */
    int64_t last_frame; /* for the direction */
    int direction;
    int given_direction; /* 0: told by the frames' numbers */
    bool encoded;        /* the frame graph has run on the current picture */
    bool is_image;
    segment_object **due;   /* [max_objects] scratch of a frame */
    roto_segment *segments; /* [max_objects] */
    roto_image_masks image_masks;

    int64_t part_ns[SEGMENT_N_PARTS]; /* of the latest frame */
    int64_t part_end_ns;              /* when the latest part ended */
    bool waits_for_parts;             /* each part until the device has done it, for benchmarks */
};

/* segmenter.c */

/* Takes the model over, also when it fails. */
roto_status segmenter_new(sam2_model *model, const roto_segmenter_params *params,
                          roto_segmenter **out);
segment_object *segmenter_find(const roto_segmenter *s, int64_t id); /* NULL when there is none */
/* The object, added when there is none of that id. */
roto_status segmenter_object(roto_segmenter *s, int64_t id, segment_object **out, bool *is_new);
void segmenter_forget(roto_segmenter *s, segment_object *o);
/* Makes everything that depends on the picture's size. Fails when objects live and the model's
 * input would be of another size than theirs. */
roto_status segmenter_size(roto_segmenter *s, const roto_image *image);
/* Memory for an object's answers, for one more prompted frame than wait, and compiled graphs for
 * all objects and a prompt of n_points (-1: none), so that frames allocate nothing. */
roto_status segmenter_make_room(roto_segmenter *s, segment_object *o, int32_t n_points);

void prompt_set_free(prompt_set *p);

/* segment_look.c: what part of the frame the model sees. */

/* Takes a picture: *taken, the picture itself or a copy, is what can be shown. */
roto_status segment_take(roto_segmenter *s, const roto_image *image, const roto_image **taken);
/* Makes a part of it what the frame graph sees when it runs next. The level says which sizes it
 * shares tables with. */
roto_status segment_show(roto_segmenter *s, const segment_view *view, const roto_image *taken);
/* Takes a frame: chooses the view by where the objects were and what waits for frame `index`. */
roto_status segment_look(roto_segmenter *s, const roto_image *image, int64_t index);
/* Looks at the current frame again, if a prompt for it needs another view. */
roto_status segment_look_again(roto_segmenter *s, const segment_object *o, const prompt_set *p);
/* Whether the answer to clicks, of the only object, asks for a closer view: clicks say nothing of
 * the size of what was meant, so that the first look is at the whole frame. */
bool segment_could_look_closer(roto_segmenter *s, const segment_object *o, const prompt_set *p,
                               segment_view *out);
roto_status segment_look_closer(roto_segmenter *s, const segment_view *view);
/* Brings the object's answer to the present view. */
void segment_bring(roto_segmenter *s, segment_object *o);
/* The object's logits over the whole frame [shown_h, shown_w]. */
const float *segment_shown(roto_segmenter *s, segment_object *o);

/* segment_each.c: does it for all of them, by all threads; returns when it is done. */
roto_status segment_each_begin(roto_segmenter *s); /* once, before the first */
void segment_each(roto_segmenter *s, segment_object *const *objects, int32_t n,
                  segment_each_fn *fn);
void segment_each_end(roto_segmenter *s); /* before the team or the segmenter goes */

/* segment_ahead.c: starts on the next frame if there is one; takes what was made of this one. */
roto_status segment_ahead_start(roto_segmenter *s);
/* Copies features to where other graphs read them. */
roto_status segment_ahead_bring(roto_segmenter *s);
roto_status segment_ahead_take(roto_segmenter *s, const roto_image *image, int64_t index,
                               bool *taken);
void segment_ahead_forget(roto_segmenter *s); /* before pictures or frames are others */

/* segment_times.c: a frame begins; what was done since then or since the latest part belongs to
 * this one. */
void segment_times_begin(roto_segmenter *s);
void segment_times_end(roto_segmenter *s, segment_part part);

/* segment_prompt.c: checks that prompts fit a frame. */
roto_status prompt_set_check(const prompt_set *p, int64_t id, int32_t frame_w, int32_t frame_h);
/* From the public form, checked as far as that goes without a frame. */
roto_status prompt_set_read(const roto_prompt *from, int64_t id, prompt_set *out);
/* Adds `more` to `p` for the same frame. Takes its mask over. */
roto_status prompt_set_merge(prompt_set *p, prompt_set *more, bool replace, int64_t id);

/* segment_compute.c. Only segment_track, segment_prompted and segment_decode wait for what they
 * enqueue. */
roto_status segment_encode_frame(roto_segmenter *s);
/* The maker of features has been given the current picture. */
roto_status segment_features_are_there(roto_segmenter *s);
/* Carries objects to the current frame: objects[0..n - 1] have memories. */
roto_status segment_track(roto_segmenter *s, segment_object **objects, int32_t n);
/* Answers the prompts in `p` (in pixels of the frame) on the current frame. refine: start from the
 * object's present answer; recall: condition the features on its memory. */
roto_status segment_prompted(roto_segmenter *s, segment_object *o, const prompt_set *p, bool refine,
                             bool recall);
/* Encodes the present answers of objects into their memories. binary: as prompted frames. */
roto_status segment_remember(roto_segmenter *s, segment_object **objects, int32_t n);

/* What the decoder sees of the frame: as the encoder left it, as for an object without a past, or
 * what memory attention left for the object. */
typedef enum decoder_features {
    FEATURES_OF_FRAME,
    FEATURES_WITHOUT_MEMORY,
    FEATURES_RECALLED
} decoder_features;

/* One run of the prompted decoder, waited for; prior [mask_h, mask_w] or NULL. The answer is in the
 * first row of s->exchange. */
roto_status segment_decode(roto_segmenter *s, decoder_features features, const prompt_point *points,
                           int32_t n_points, const float *prior);

/* segment_memory.c: options of what is chosen and remembered. masks [SAM2_N_MASKS, mask_h *
 * mask_w], ious [SAM2_N_MASKS]: what the decoder left for an object that is tracked. */

/* The mask to take, with a motion-aware memory. */
int32_t segment_choose_by_motion(roto_segmenter *s, segment_object *o, const float *masks,
                                 const float *ious);
/* Whether the answer becomes an anchor, with a distractor-aware memory. */
void segment_look_for_distractor(roto_segmenter *s, segment_object *o, const float *masks,
                                 int thread);
/* A prompted frame is remembered. */
void segment_remember_prompted(roto_segmenter *s, segment_object *o);
/* A tracked one is, in this slot. */
void segment_judge_memory(roto_segmenter *s, segment_object *o, memory_slot *slot);

/* segment_prompt.c: answers prompts for the current frame, whose features are there. */
roto_status segment_answer(roto_segmenter *s, segment_object *o, prompt_set *p);

#endif

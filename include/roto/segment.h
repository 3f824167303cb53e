/* roto/segment.h - pixel masks of objects, in one image or followed through a video.
 *
 * The model is of the SAM 2 family (Ravi et al. 2024, "Segment Anything in Images and Videos"): an
 * object is marked once, with points, a box or a mask, and its own memory carries it from there.
 * Frames come one at a time and are not kept; what an object remembers has a fixed size, so that a
 * stream may go on for ever. Objects are added, corrected and removed at any frame.
 *
 *     roto_segmenter *segmenter;
 *     roto_segmenter_open("roto-s.safetensors", NULL, &segmenter);
 *     roto_prompt prompt = roto_prompt_default();
 *     prompt.points = (float[]){320, 240};
 *     prompt.n_points = 1;
 *     roto_segmenter_prompt(segmenter, 7, 0, &prompt);            // object 7, on frame 0
 *     for (int64_t i = 0; next_image(&image); i++) {
 *         roto_segmenter_frame(segmenter, &image, i, &segments, &n);
 *         roto_segmenter_mask(segmenter, 7, 255, mask, image.width);
 *     }
 *     roto_segmenter_close(segmenter);
 *
 * Coordinates are in pixels of the frame as it was given, x to the right and y down, and are handed
 * to the model as SAM 2 does it: a point names the pixel that it is on, a box its corners.
 *
 * A segmenter is used by one thread at a time; several are independent of each other. After an
 * error nothing has changed unless it is said otherwise. The same calls give the same bits,
 * whatever the number of threads.
 */
#ifndef ROTO_SEGMENT_H
#define ROTO_SEGMENT_H

#include <roto/detect.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct roto_segmenter roto_segmenter;

/* What objects remember beyond the published rule, which is the last frame, every n-th before it
 * and all prompted ones. All of it is off by default; docs/evaluation.md tells what it is worth
 * with the shipped model. */
typedef struct roto_memory_params {
    int32_t motion_aware; /* 1: a Kalman filter expects the box of each mask; it has a part in which
                             mask is chosen, and only frames that fit, are sure and show the object
                             are remembered beside the last one (SAMURAI: Yang et al. 2024,
                             arXiv 2411.11922) */
    int32_t distractor_aware; /* 1: up to three frames on which something like the object is seen
                                 beside it are remembered like prompted ones, tracked ones only when
                                 they show the object (DAM4SAM: Videnovic et al. 2025,
                                 arXiv 2411.17576). max_conditioning is at most 5 then */
    int32_t max_cond_frames;  /* how many of the prompted frames a frame sees, 2..8: the nearest
                                 before, the nearest after, then the nearest others, as SAM 2 does;
                                 0:  all */
    int32_t prune_margin; /* of tracked frames only the cells (16 px of the model's input) within so
                             many of the object are seen, 0..1024; -1: all. Models with a token a
                             cell alone: EdgeTAM is ROTO_ERROR_UNSUPPORTED */
} roto_memory_params;

typedef struct roto_segmenter_params {
    size_t struct_bytes; /* sizeof(roto_segmenter_params), set by its _default function */
    roto_compute_params compute;
    int32_t max_objects;      /* at once, 1..1024; more are refused. Default 64. An object remembers
                                 about 1 MB with the shipped model. */
    int32_t max_conditioning; /* prompted frames that an object remembers, 1..8; of more, the first
                                 and those closest in time stay. Default 4 */
    int32_t
        corrections_condition; /* 1: a corrected frame is remembered as a prompted one (default);
                                  0: as a tracked one, which fades, as SAM 2 is published */
    int32_t max_hole_px; /* holes up to so many pixels of the mask's own grid are filled; 0: none;
                            -1: the model's (8 with the shipped one). Default -1 */
    int32_t
        zoom; /* 1: look at a window of the frame that holds all objects and follows them, down to
                 a quarter of the model's own pixels across; a click is asked again at a closer
                 window while its answer is small. Better wherever objects do not fill the frame,
                 at the cost of a copy of each frame; logits come on a grid four times as fine.
                 0: always at the whole frame. -1 (default): 1 where roto_run() is given prompts,
                 else 0. Models with a square input of their own always see the whole frame */
    roto_memory_params memory;
    int32_t max_batch;      /* objects computed together, 1, 2, 4 or 8; 0 leaves it to the device */
    int32_t image_clean_px; /* what roto_segmenter_candidate() writes has holes of up to so many
                               pixels of the logits' grid filled and islands as small dropped, as
                               SAM 2's image predictor does when told. 0 (default): none */
    int32_t keep_frames;    /* 0..65536: so many tracked frames stay in an object's memory, so that
                               tracking can go on from any of them, forward or in reverse, as in
                               SAM 2's predictor for whole videos; costs 1 MB of memory a frame and
                               object with SAM 2 at 1024 px. 0 (default): what the next frame needs */
} roto_segmenter_params;

ROTO_API roto_segmenter_params roto_segmenter_params_default(void);

/* Opens a model: a checkpoint of SAM 2, SAM 2.1 or EdgeTAM as it is published (.pt), the same from
 * Hugging Face (a safetensors file, the index of several, or the folder with either), or a
 * safetensors file with its config under the metadata key "roto.config" (roto/model.h). Files are
 * mapped and must not change while the segmenter is open. params may be NULL. ROTO_ERROR_FORMAT
 * lists tensors that are missing, surplus or of another shape. */
ROTO_API roto_status roto_segmenter_open(const char *model_path,
                                         const roto_segmenter_params *params, roto_segmenter **out);
ROTO_API void roto_segmenter_close(roto_segmenter *segmenter); /* NULL is fine */

/* One line of facts for people; valid while the segmenter is. */
ROTO_API const char *roto_segmenter_describe(const roto_segmenter *segmenter);

/* A part of the model and what it costs for a frame, or for one object in a frame. */
enum { ROTO_SEGMENTER_MAX_PARTS = 8 };

typedef struct roto_segmenter_part {
    const char *name; /* "image encoder", "memory attention", ... */
    int64_t n_parameters;
    int64_t flops;        /* additions and multiplications */
    int64_t memory_bytes; /* weights as the device has them and room to compute */
} roto_segmenter_part;

/* For frames of this size and an object that was prompted on one frame and has all its memories.
 * Compiles each part, which may take a second. */
ROTO_API roto_status roto_segmenter_parts(const roto_segmenter *segmenter, int32_t frame_width,
                                          int32_t frame_height,
                                          roto_segmenter_part parts[ROTO_SEGMENTER_MAX_PARTS],
                                          int32_t *n_parts);

/* ---- prompts ----------------------------------------------------------------------------------
 */

/* Points and a box may go together; a mask stands alone. Nothing of it is kept by reference. */
typedef struct roto_prompt {
    size_t struct_bytes;
    const float *points;   /* x0, y0, x1, y1, ... inside the frame; at most 63 a frame, of which a
                              box counts as two */
    const int32_t *labels; /* [n_points] 1: on the object, 0: not on it; NULL: all 1 */
    int32_t n_points;
    const roto_box *box; /* NULL: none; is cut to the frame, which it has to touch */
    const uint8_t *mask; /* [mask_height, mask_width], of the frame's size. NULL: none */
    int32_t mask_value;  /* of the object's pixels in it; 0: all that are not 0 */
    int32_t mask_width, mask_height;
    ptrdiff_t mask_stride_bytes;
    int32_t replace; /* 1: forget the points and the box given for this object and frame before;
                        0: add to them (default). A box or a mask always replaces. */
} roto_prompt;

ROTO_API roto_prompt roto_prompt_default(void);

/* ---- video ------------------------------------------------------------------------------------
 */

typedef enum roto_segment_source {
    ROTO_SEGMENT_TRACKED = 0,  /* carried here by memory */
    ROTO_SEGMENT_PROMPTED = 1, /* from prompts for this frame */
    ROTO_SEGMENT_CORRECTED = 2 /* carried here, then corrected by prompts */
} roto_segment_source;

/* One object in the current frame. */
typedef struct roto_segment {
    int64_t id;
    float object_score; /* logit: above 0 when the object is in sight; else its mask is empty */
    float iou;          /* the model's estimate of its mask's overlap with the truth, 0..1 */
    roto_segment_source source;
    roto_box box; /* around the mask as roto_segmenter_mask() writes it; all 0 when it is empty */
    float area;   /* of the mask in pixels of the frame, to the accuracy of the logits' grid; 0 when
                     the mask is empty */
    const float *logits; /* [logits_height, logits_width], the whole frame; above 0: object */
    int32_t logits_width, logits_height;
} roto_segment;

/* Prompts for object `id` (1 or more; a new one is added) on frame `frame`. For the current frame
 * the answer is there at once (roto_segmenter_results): the first prompts of a frame are a fresh
 * start there, prompts for an object that was tracked to this frame correct its mask, and further
 * ones refine the answer before. For any other frame they wait until that frame comes. A prompt
 * that does not fit a frame whose size was not known yet fails that roto_segmenter_frame().
 *
 * ROTO_ERROR_ARGUMENT: no prompt at all; a point or box outside the frame or NaN; a label that is
 * not 0 or 1; an empty mask for an object that nothing else was said about (later it says "out of
 * sight"); a mask of another size than the frame; too many points. ROTO_ERROR_MEMORY: more than
 * max_objects. */
ROTO_API roto_status roto_segmenter_prompt(roto_segmenter *segmenter, int64_t id, int64_t frame,
                                           const roto_prompt *prompt);

/* Takes a frame. `index` (0 or more) counts frames; consecutive frames should have consecutive
 * numbers, and a smaller number than before means tracking in reverse (unless
 * roto_segmenter_direction() says otherwise). Frames may be of another size from one to the next as
 * long as their shape stays the same for the model. *segments, sorted by id, holds every object
 * that was prompted so far, belongs to the segmenter and is valid until the next call that changes
 * something. segments and n_segments may be NULL.
 *
 * Allocates nothing after the first frame with as many objects and prompted frames, unless the
 * image's size changes. On an error in a prompt that was waiting, that prompt is dropped and the
 * frame can be given again. */
ROTO_API roto_status roto_segmenter_frame(roto_segmenter *segmenter, const roto_image *image,
                                          int64_t index, const roto_segment **segments,
                                          int32_t *n_segments);

/* Says which frame comes after the one that the next roto_segmenter_frame() takes, so that a GPU
 * encodes it beside that one's objects: more frames a second and the same masks. The picture is
 * looked at until that call returns; when the frame itself is taken, it has to be the same. Nothing
 * is lost where it is another one or never comes, but for the work. For frames that are there
 * anyway, of a file or waiting in a queue: to wait for one costs more time than this saves.
 *
 * Without effect on a CPU, with params.zoom, where no object is tracked, and for a picture of
 * another size. ROTO_ERROR_ARGUMENT as for roto_segmenter_frame(). */
ROTO_API roto_status roto_segmenter_next(roto_segmenter *segmenter, const roto_image *image,
                                         int64_t index);

/* Which way tracking goes from the next frame on: 1: forward, -1: in reverse, 0 (what a segmenter
 * starts with): the frames' numbers tell. An object's memories are of the frames before in that
 * direction, so that a jump, say back to a frame that is to be corrected and forward from there,
 * needs it; and params.keep_frames, if the memories of that time are still to be there. */
ROTO_API roto_status roto_segmenter_direction(roto_segmenter *segmenter, int32_t direction);

/* The current frame's objects as they are now, after corrections and removals. */
ROTO_API roto_status roto_segmenter_results(roto_segmenter *segmenter,
                                            const roto_segment **segments, int32_t *n_segments);

/* Where the time of the latest roto_segmenter_frame() went, in seconds. A GPU works beside the
 * host: waiting for it counts as decoding, and the other parts are what the host spent on them. */
typedef struct roto_segmenter_times {
    size_t struct_bytes; /* sizeof(roto_segmenter_times), set by the caller */
    double input_s;      /* the picture resized and normalised */
    double encode_s;     /* image encoder, once a frame */
    double recall_s;     /* memory attention of all objects */
    double decode_s;     /* their masks */
    double remember_s;   /* their memories encoded */
} roto_segmenter_times;

ROTO_API roto_status roto_segmenter_latest_times(const roto_segmenter *segmenter,
                                                 roto_segmenter_times *times);

/* Writes an object's mask at the current frame's size: mask [height, width], rows stride_bytes
 * apart, `value` on the object, 0 elsewhere. */
ROTO_API roto_status roto_segmenter_mask(roto_segmenter *segmenter, int64_t id, uint8_t value,
                                         uint8_t *mask, ptrdiff_t stride_bytes);

/* Writes which object each pixel of the current frame belongs to: map [height, width], rows
 * `stride` elements apart, 0 for none, else 1 + the object's place among the results. Where masks
 * overlap the higher logit wins. */
ROTO_API roto_status roto_segmenter_map(roto_segmenter *segmenter, uint16_t *map, ptrdiff_t stride);

/* Forgets an object and its waiting prompts. ROTO_ERROR_ARGUMENT when there is none of that id. An
 * id may be used again, for a new object. */
ROTO_API roto_status roto_segmenter_remove(roto_segmenter *segmenter, int64_t id);

/* Forgets all objects, prompts and frames; the next frame may be of any size. */
ROTO_API void roto_segmenter_reset(roto_segmenter *segmenter);

/* ---- single images ----------------------------------------------------------------------------
 */

typedef struct roto_mask_candidate {
    float iou;           /* predicted, 0..1 */
    const float *logits; /* [logits_height, logits_width] */
} roto_mask_candidate;

/* The answer to a prompt: candidate 0 is meant for prompts that leave no doubt, 1..3 are what an
 * ambiguous one (a single point) may have meant: a part, the whole, ... `best` is the one to take.
 */
typedef struct roto_image_masks {
    roto_mask_candidate candidates[4];
    int32_t n_candidates, best;
    float object_score;
    int32_t logits_width, logits_height;
} roto_image_masks;

/* Takes an image to be asked about with roto_segmenter_predict(). A video that was going on keeps
 * its objects and goes on with its next frame. */
ROTO_API roto_status roto_segmenter_image(roto_segmenter *segmenter, const roto_image *image);

/* Answers a prompt on that image, independent of those before. prior: logits of an earlier answer
 * to refine, as large as logits_width x logits_height, or NULL. A mask as a prompt is looked at as
 * such a prior. *masks belongs to the segmenter and is valid until the next call. */
ROTO_API roto_status roto_segmenter_predict(roto_segmenter *segmenter, const roto_prompt *prompt,
                                            const float *prior, const roto_image_masks **masks);

/* Writes a candidate's mask at the image's size, as roto_segmenter_mask() does. */
ROTO_API roto_status roto_segmenter_candidate(roto_segmenter *segmenter, int32_t candidate,
                                              uint8_t value, uint8_t *mask, ptrdiff_t stride_bytes);

#ifdef __cplusplus
}
#endif
#endif

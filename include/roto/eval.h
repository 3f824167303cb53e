/* roto/eval.h - accuracy: tracking against MOTChallenge ground truth, detection against boxes,
 * masks against those of DAVIS. */
#ifndef ROTO_EVAL_H
#define ROTO_EVAL_H

#include <roto/segment.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts and scores of one sequence, or of all of them together ("COMBINED").
 * CLEAR: Bernardin & Stiefelhagen 2008. IDF1: Ristani et al. 2016. HOTA: Luiten et al. 2020, means
 * over the 19 localisation thresholds 0.05, 0.10 ... 0.95. Fractions in 0..1 (MOTA may be
 * negative). */
typedef struct roto_mot_scores {
    char name[64];
    double hota, deta, assa, loca; /* LocA: mean overlap of matches */
    double mota, motp, idf1, id_precision, id_recall;
    double recall, precision;
    int64_t tp, fp, fn, id_switches, fragments;
    int64_t idtp, idfp, idfn;
    int64_t mostly_tracked, partly_tracked, mostly_lost;
    int64_t n_frames, n_gt_boxes, n_gt_ids, n_boxes, n_ids;
} roto_mot_scores;

/* Compares result files with ground truth. `gt_dir` holds SEQUENCE/gt/gt.txt (and seqinfo.ini where
 * there is one: no frame may lie after its seqLength); `results_dir` holds SEQUENCE.txt for each
 * sequence evaluated, which may be empty. A sequence without a result file is an error unless
 * `sequences` (NULL: all folders that hold gt/gt.txt, by name) leaves it out.
 * Distractor and ignore rules are those of MOT15: ground truth with 0 in column 7 takes no part,
 * whatever the tracker found there counts, and classes (column 8) are passed over. An identity may
 * be in a frame once. docs/evaluation.md has the details.
 * *scores: one entry a sequence and COMBINED last; free with roto_eval_free(). */
ROTO_API roto_status roto_eval_mot(const char *gt_dir, const char *results_dir,
                                   const char *const *sequences, int32_t n_sequences,
                                   roto_mot_scores **scores, int32_t *n_scores);

/* COCO-style average precision of one class or, with class_id -1, the mean over classes. */
typedef struct roto_detection_scores {
    char name[64];
    int32_t class_id;
    double ap, ap50,
        ap75;     /* AP: mean over IoU 0.50:0.05:0.95, 101 recall points; -1: no ground truth */
    double ar100; /* recall with at most 100 detections an image, same IoUs */
    int64_t n_images, n_boxes, n_detections;
} roto_detection_scores;

/* Runs a detector on the images of a YOLO-layout folder: DIR/images/ and DIR/labels/ (or
 * DIR/object_detection/), searched in depth, with lines "class cx cy w h" in 0..1 of the image.
 * Images without a label file count as having no objects only when `missing_is_empty` is set; else
 * they are left out. *scores: mean first, then each class that has ground truth. */
ROTO_API roto_status roto_eval_detect(const char *dir, roto_detector *detector,
                                      int32_t missing_is_empty, roto_detection_scores **scores,
                                      int32_t *n_scores);

/* What a tracker is told about each object, on the frame in which it is first seen. */
typedef enum roto_davis_prompt {
    ROTO_DAVIS_MASK = 0, /* its mask */
    ROTO_DAVIS_BOX = 1, /* the box around it: the centres of its outermost pixels are the corners */
    ROTO_DAVIS_POINT = 2 /* one click on the pixel farthest from all that is not the object; of
                            several the topmost, of those the leftmost */
} roto_davis_prompt;

typedef enum roto_davis_tracker {
    ROTO_DAVIS_SEGMENTER = 0,
    /* To compare with: the first mask (or the filled box), */
    ROTO_DAVIS_STILL = 1, /* kept where it is, */
    ROTO_DAVIS_FILTER = 2 /* moved as a whole by a correlation filter (MOSSE, Bolme et al. 2010) */
} roto_davis_tracker;

typedef struct roto_davis_params {
    size_t struct_bytes;          /* sizeof(roto_davis_params), set by its _default function */
    const char *const *sequences; /* [n_sequences]; NULL: all */
    int32_t n_sequences;
    const char *results_dir; /* masks that were made before, SEQUENCE/FRAME.png, are scored; NULL:
                                a tracker is run */
    roto_davis_tracker tracker;
    roto_segmenter *segmenter; /* of ROTO_DAVIS_SEGMENTER; is reset before and after a sequence */
    roto_davis_prompt prompt;
    int32_t
        prompt_every;      /* N: the segmenter is told again on every N-th frame after an object's
                              first, if it is seen there; these frames do not count. 0 (default): once
                            */
    int32_t all_frames;    /* 1: the first frame of an object and the last one count, too */
    const char *masks_dir; /* masks are written as SEQUENCE/FRAME.png; NULL: not */
    const char *pictures_dir; /* four frames a sequence are written as SEQUENCE-FRAME.png: the mask
                                 in colour, the true one's outline in white; NULL: not */
    /* Called after each frame; another value than 0 ends the evaluation: ROTO_CANCELLED. */
    int32_t (*progress)(void *user, const char *sequence, int64_t n_done, int64_t n_frames);
    void *user;
} roto_davis_params;

ROTO_API roto_davis_params roto_davis_params_default(void);

/* J (region) and F (boundary) of Perazzi et al. 2016: mean, recall (share of frames above a half)
 * and decay (first quarter less last), 0..1; NaN where no frame is scored. */
typedef struct roto_davis_scores {
    char sequence[64]; /* "MEAN": over all objects of all sequences */
    int32_t object;    /* its id; 0: mean over the objects of the sequence, or of all */
    int32_t n_objects; /* that the row is a mean of */
    int64_t n_frames, n_scored;
    double j_mean, j_recall, j_decay;
    double f_mean, f_recall, f_decay;
    double seconds; /* that the tracker took for the sequence, without reading files; 0: results */
    /* Of an object; NULL in means. Frames are numbered from 0, in the order of their names. */
    const int32_t *frame; /* [n_scored] */
    const double *j, *f;  /* [n_scored] */
} roto_davis_scores;

/* Scores masks as the official evaluation of DAVIS 2017 (semi-supervised) does; docs/evaluation.md
 * has the details. `dir` holds Annotations/480p/SEQUENCE/FRAME.png, Annotations/SEQUENCE/FRAME.png
 * or SEQUENCE/Annotations/FRAME.png, and images (when a tracker needs them) beside it in
 * JPEGImages. A sequence whose masks hold only 0 and 255 has one object, 1. params may not be NULL.
 * *scores: a row for each object, after them the sequence's mean where it has several; MEAN last.
 * Free with roto_eval_free(). */
ROTO_API roto_status roto_eval_davis(const char *dir, const roto_davis_params *params,
                                     roto_davis_scores **scores, int32_t *n_scores);

ROTO_API void roto_eval_free(void *scores); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
